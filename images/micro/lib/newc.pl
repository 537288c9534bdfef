#!/usr/bin/perl
# newc.pl DIRECTORY: writes the tree below DIRECTORY as an initramfs (cpio, "newc") to standard output.
#
# Instead of cpio, because the same tree must give the same bytes, on any file system and with no privilege: sorted by name,
# inodes numbered from 1, owned by root, dated by SOURCE_DATE_EPOCH. Format: Documentation/driver-api/early-userspace/
# buffer-format.rst of the kernel.
use strict;
use warnings;

chdir $ARGV[0] or die "newc.pl: $ARGV[0]: $!\n";
binmode STDOUT;
my $time = $ENV{SOURCE_DATE_EPOCH} // 0;
my $inode = 0;

sub entry {
  my ($name, $mode, $data) = @_;
  my $head = sprintf '070701' . '%08X' x 13,
    ++$inode, $mode, 0, 0, 1, $time, length $data, 0, 0, 0, 0, 1 + length $name, 0;
  print padded("$head$name\0"), padded($data);
}

sub padded { my ($data) = @_; return $data . "\0" x (-length($data) % 4) }

sub walk {
  my ($directory) = @_;
  opendir my $handle, $directory or die "newc.pl: $directory: $!\n";
  for my $leaf (sort grep { $_ ne '.' && $_ ne '..' } readdir $handle) {
    my $path = $directory eq '.' ? $leaf : "$directory/$leaf";
    if (-l $path) {
      entry($path, 0120777, readlink $path);
    } elsif (-d $path) {
      entry($path, 0040755, '');
      walk($path);
    } else {
      open my $in, '<:raw', $path or die "newc.pl: $path: $!\n";
      local $/;
      entry($path, 0100000 | ((stat $in)[2] & 07777), <$in> // '');
    }
  }
}

walk('.');
# Every inode number is printed before this one, so the trailer needs none.
$inode = -1;
$time = 0;
entry('TRAILER!!!', 0, '');
