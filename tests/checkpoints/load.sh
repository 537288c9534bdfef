#!/bin/sh
# The load of a member, in the guest, as root: `listen` in each member, then `start NEXT`, with the address of the next one of
# their ring. What became of it: `look`, then `sent`.
#
# Every member sends a stream of numbered records to the next one, over TCP, and writes down what it sends before it sends it, and
# what it receives. Each record has a random word: a record of another future has the same number and another word. It counts in a
# file, and syncs it each time; it floods the next one with pings. What it finds wrong is in /run/load/bad.
#
# Emulated processors are slow, and a new process is dear to them: little is started, and what is told is put in order by its reader.
dir=/run/load
count=/var/load/count

receive() { # its standard input stays open, else it would close its half
  tail -f /dev/null | nc -l -p 7000 | awk -v dir=$dir '
    { if ($1 != last + 1) { print "the stream has " $1 " after " last >> (dir "/bad"); fflush(dir "/bad") }
      last = $1
      if (last % 1000 == 1) { close(file); file = dir "/got." (int(last / 1000) % 2); printf "" > file }
      print > file; fflush(file)
      print last > (dir "/last"); close(dir "/last") }
    END { print "the stream ended after " last >> (dir "/bad") }'
}

send() { # ADDRESS: up to some fifteen records a second
  awk -v dir=$dir -v random=/proc/sys/kernel/random/uuid '
    BEGIN { for (n = 1;; ) {
      for (i = 0; i < 5; i++) {
        getline word < random; close(random)
        line = n " " substr(word, 1, 8)
        if (n % 1000 == 1) { close(file); file = dir "/sent." (int(n / 1000) % 2); printf "" > file }
        print line > file; fflush(file)
        print line
        n++ }
      fflush()
      system("exec usleep 300000") } }' | nc "$1" 7000
  echo "its sender ended" >>$dir/bad
}

counting() {
  n=0
  while :; do
    n=$((n + 1))
    echo $n >$dir/n
    read -r word </proc/sys/kernel/random/uuid
    echo "$n ${word%%-*}" >>$count
    sync -d $count
    echo $n >$dir/synced
    usleep 400000
  done
}

flood() { # ADDRESS: as fast as answers come, a part of the time
  while :; do
    ping -A -q -s 400 -c 20 -w 10 "$1" >/dev/null
    usleep 1000000
  done
}

number() { # FILE: it is empty for a moment while it is written
  value=
  while [ -z "$value" ]; do read -r value <"$dir/$1"; done
  echo "$value"
}

look() { # RECORDS: waits until so many more have come, at most a minute, and tells how it is
  begin=$(number last) tries=0
  while [ $(($(number last) - begin)) -lt "$1" ] && [ $tries -lt 300 ]; do
    usleep 200000
    tries=$((tries + 1))
  done
  echo "== begin"; echo "$begin"
  echo "== got"; cat $dir/got.?
  echo "== synced"; number synced
  echo 3 >/proc/sys/vm/drop_caches # the file, not what is remembered of it
  echo "== count"; tail -n 600 $count
  echo "== n"; number n
  echo "== bad"
  awk '$1 != NR { print "line " NR " of the count is " $0; exit }' $count
  [ ! -e $dir/bad ] || cat $dir/bad
  for pid in $(cat $dir/pids); do [ -d /proc/"$pid" ] || echo "a process of its load is gone"; done
  echo "== kernel"
  dmesg | grep -E 'BUG|Oops|lockup|stall|I/O error|EXT4-fs (error|warning)|blocked for more|Call Trace|general protection|orrupt|panic - '
  echo "== random"; head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n'; echo
  echo "== time"
  for tries in 1 2 3 4 5 6 7 8; do
    adjtimex | awk -v number=$tries '/time.tv_sec/ { s = $2 } /time.tv_usec/ { print number, s, $2, "end" }'
    usleep 50000
  done
}

begin() { # PART ARGUMENT...: in the background, for good
  nohup setsid sh "$0" "$@" >/dev/null 2>&1 </dev/null &
  echo $! >>$dir/pids
}

case $1 in
  listen)
    mkdir -p $dir ${count%/*}
    echo 0 >$dir/last
    begin receive
    ;;
  start)
    begin counting
    begin send "$2"
    begin flood "$2"
    ;;
  receive | counting) $1 ;;
  send | flood | look) $1 "$2" ;;
  sent) cat $dir/sent.? ;;
esac
