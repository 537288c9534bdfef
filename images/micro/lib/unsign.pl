#!/usr/bin/perl
# unsign.pl FILE…: cuts the signatures off kernel modules, in place.
#
# A signed module ends in the signature, a trailer of 12 bytes whose last four are the signature's length (big-endian), and a
# magic line (include/linux/module_signature.h). Checking one costs an emulated processor milliseconds, and this kernel does
# not insist.
use strict;
use warnings;

my $magic = "~Module signature appended~\n";
for my $path (@ARGV) {
  open my $in, '<:raw', $path or die "unsign.pl: $path: $!\n";
  my $module = do { local $/; <$in> };
  close $in;
  next if substr($module, -length $magic) ne $magic;
  my $end = length($module) - length($magic) - 12;
  my $length = unpack 'N', substr $module, $end + 8, 4;
  truncate $path, $end - $length or die "unsign.pl: $path: $!\n";
}
