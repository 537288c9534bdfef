#!/bin/sh
# Elects a leader among machines: of those that answer, the one with the greatest address.
#
#   leader.sh NAME…        on every machine, with the names of all
#
# Each machine serves its own address over HTTP, asks all of them for theirs, and writes the leader's name to www/leader.
set -u
mkdir -p www
ip -4 addr show eth0 | awk '/inet / { sub("/.*", "", $2); print $2 }' >www/id
httpd -p 8080 -h www

while :; do
  leader=
  best=0
  for name in "$@"; do
    id=$(timeout 2 wget -q -O - "http://$name:8080/id" 2>/dev/null) || continue
    if [ "${id##*.}" -gt "$best" ]; then
      best=${id##*.}
      leader=$name
    fi
  done
  echo "$leader" >www/leader.new
  mv www/leader.new www/leader
  sleep 0.2
done
