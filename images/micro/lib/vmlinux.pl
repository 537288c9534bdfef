#!/usr/bin/perl
# vmlinux.pl VMLINUZ: writes the compressed payload of a bzImage to standard output, and its form (lz4, zstd, gzip, xz) to
# standard error.
#
# The header's fields (Documentation/x86/boot.rst): setup_sects at 0x1f1, payload_offset at 0x248, payload_length at 0x24c;
# the offset counts from the protected-mode code, which starts after the setup sectors. The last four bytes of the payload
# are its size when unpacked, appended by the kernel's build; the unpackers know them as trailing garbage.
use strict;
use warnings;

open my $in, '<:raw', $ARGV[0] or die "vmlinux.pl: cannot open $ARGV[0]: $!\n";
my $image = do { local $/; <$in> };
substr($image, 0x202, 4) && substr($image, 0x1fe, 2) eq "\x55\xaa" && substr($image, 0x202 - 0, 2) ne ''
  or die "vmlinux.pl: $ARGV[0] is no bzImage\n";
my $sectors = unpack 'C', substr $image, 0x1f1, 1;
my ($offset, $length) = unpack 'VV', substr $image, 0x248, 8;
my $payload = substr $image, (($sectors || 4) + 1) * 512 + $offset, $length - 4;
my %forms = ("\x02\x21\x4c\x18" => 'lz4', "\x28\xb5\x2f\xfd" => 'zstd', "\xfd7zX" => 'xz');
my $form = $forms{substr $payload, 0, 4} // (substr($payload, 0, 2) eq "\x1f\x8b" ? 'gzip' : undef);
defined $form or die "vmlinux.pl: unknown compression in $ARGV[0], expected lz4, zstd, gzip or xz\n";
print STDERR $form;
binmode STDOUT;
print $payload;
