#!/usr/bin/perl
# debugfs.pl DIRECTORY: the commands for `debugfs -w -f -` that copy the tree below DIRECTORY into an empty ext4 file system.
#
# Instead of `mke2fs -d`, which takes owners, times and the order of names from the host: the same tree must give the same
# bytes, and whoever builds need not be root to make files that root owns.
use strict;
use warnings;

my $top = $ARGV[0];
my $time = $ENV{SOURCE_DATE_EPOCH} // 0;

sub walk {
  my ($directory) = @_;
  opendir my $handle, "$top$directory" or die "debugfs.pl: $top$directory: $!\n";
  for my $leaf (sort grep { $_ ne '.' && $_ ne '..' } readdir $handle) {
    my $path = "$directory/$leaf";
    die "debugfs.pl: cannot copy $path: a blank in its name\n" if $path =~ /[\s"]/;
    if (-l "$top$path") {
      print "symlink $path ", readlink "$top$path", "\n";
    } elsif (-d "$top$path") {
      print "mkdir $path\n";
      walk($path);
    } else {
      print "write $top$path $path\n";
    }
    if (!-l "$top$path") {
      my $mode = (stat "$top$path")[2];
      printf "sif %s mode 0%o\n", $path, $mode;
    }
    print "sif $path $_ \@$time\n" for qw(atime ctime mtime crtime);
    print "sif $path $_ 0\n" for qw(atime_extra ctime_extra mtime_extra crtime_extra generation);
  }
}

walk('');
