# shellcheck shell=dash disable=SC2086,SC2034,SC2154 # numbers are not quoted; variables are ./boot's
# What a micro guest knows of cloud-init: reading a NoCloud seed, and doing what it says.
#
# Sourced by ./boot. The parser takes the subset of YAML that fleetbox writes (block mappings and lists, one value a line,
# inline lists of scalars, either kind of quote) and steps over what it does not know: a user's own user-data comes along.
# It uses no process of its own.
#
# Sets: fixtures (mount points, one a line), hostname fqdn, keys (one a line), users (one a line: name|sudo|shell|gecos), links (one a line:
# mac|name|addresses|gateway|dhcp), dns, search.

newline='
'

# seed_volume → $volume: the disk that is labelled cidata, in either case.
seed_volume() {
  # A FAT volume without partitions has its label in its first sector; looking there costs one process, findfs many reads.
  for path in /sys/class/block/vd[b-z]; do
    volume=/dev/${path##*/}
    case $(head -c 54 "$volume" 2>/dev/null) in
      *cidata*FAT1* | *CIDATA*FAT1*) return 0 ;;
    esac
  done
  volume=$(findfs LABEL=cidata 2>/dev/null) || volume=$(findfs LABEL=CIDATA 2>/dev/null)
}

# Reads the files of the seed into meta, vendor, net, fixtures and user. Without one, all stay empty.
seed_read() {
  meta='' vendor='' net='' fixtures='' user=''
  seed_volume || {
    complain 'found no seed, expected a disk labelled cidata; going on without'
    return
  }
  # It stays mounted until ./late has the time.
  mkdir /run/seed
  mount -t vfat -o ro,iocharset=ascii "$volume" /run/seed 2>/dev/null || mount -t iso9660 -o ro "$volume" /run/seed || {
    complain "cannot read the seed on $volume, expected vfat or iso9660"
    return
  }
  # One process for all: head names each file that it prints. The user's own comes last, so that nothing in it can be taken
  # for a name.
  cd /run/seed || return
  all=$(head -n 100000 meta-data vendor-data network-config fixtures user-data 2>/dev/null)
  cd /
  all=$newline$all$newline
  part=${all#*"$newline==> user-data <==$newline"} && [ "$part" = "$all" ] || user=$part
  all=${all%%"$newline==> user-data <==$newline"*}$newline
  part=${all#*"$newline==> fixtures <==$newline"} && [ "$part" = "$all" ] || fixtures=$part
  all=${all%%"$newline==> fixtures <==$newline"*}$newline
  part=${all#*"$newline==> network-config <==$newline"} && [ "$part" = "$all" ] || net=$part
  all=${all%%"$newline==> network-config <==$newline"*}$newline
  part=${all#*"$newline==> vendor-data <==$newline"} && [ "$part" = "$all" ] || vendor=$part
  all=${all%%"$newline==> vendor-data <==$newline"*}$newline
  meta=${all#*"$newline==> meta-data <==$newline"}
}

# unquote VALUE → $value: without quotes, and without a comment behind it.
unquote() {
  value=$1
  case $value in
    \"*) value=${value#\"} value=${value%%\"*} ;;
    \'*) value=${value#\'} value=${value%%\'*} ;;
    '#'*) value= ;;
    *) value=${value%% #*} value=${value%"${value##*[! ]}"} ;;
  esac
}

# split LINE → $indent (number of columns before the text), $text, and for "key: value" $key and $value.
split() {
  text=${1%"$return"}
  pad=${text%%[! ]*}
  indent=${#pad}
  text=${text#"$pad"}
  key='' value=''
}
pair() {
  case $text in
    *': '*)
      key=${text%%: *} value=${text#*: }
      value=${value#"${value%%[! ]*}"}
      ;;
    *:) key=${text%:} ;;
    *) return 1 ;;
  esac
  case $key in
    \"*\" | \'*\') key=${key#?} key=${key%?} ;;
  esac
}

# items VALUE FUNCTION: calls FUNCTION with each scalar of "[a, 'b']", or with the one scalar that it is.
items() {
  rest=$1
  case $rest in
    '['*)
      rest=${rest#?} rest=${rest%]*},
      while [ "$rest" ]; do
        item=${rest%%,*} rest=${rest#*,}
        item=${item#"${item%%[! ]*}"}
        unquote "$item"
        [ -z "$value" ] || "$2" "$value"
      done
      ;;
    *)
      unquote "$rest"
      [ -z "$value" ] || "$2" "$value"
      ;;
  esac
}

add_key() { keys=$keys${keys:+$newline}$1; }
add_address() { addresses=$addresses${addresses:+ }$1; }
add_dns() { dns=$dns${dns:+ }$1; }
add_search() { search=$search${search:+ }$1; }

end_user() {
  case $name in
    '' | *[!a-z0-9_-]* | -* | [0-9]* | root) ;;
    *) users=$users${users:+$newline}$name'|'$sudo'|'$shell'|'$gecos ;;
  esac
  name='' sudo='' shell='' gecos=''
}

# parse_cloud TEXT: one #cloud-config document.
parse_cloud() {
  section='' list='' dash=-1 name='' sudo='' shell='' gecos=''
  for line in $1; do
    split "$line"
    case $text in '' | '#'*) continue ;; esac
    if [ $indent = 0 ] && [ "${text#-}" = "$text" ]; then
      list='' dash=-1
      pair || continue
      section=$key
      case $key in
        hostname) unquote "$value" && hostname=$value ;;
        fqdn) unquote "$value" && fqdn=$value ;;
        ssh_authorized_keys) [ -z "$value" ] || items "$value" add_key ;;
      esac
      continue
    fi
    case $section in
      ssh_authorized_keys)
        case $text in '- '*) text=${text#- } && items "$text" add_key ;; esac
        ;;
      users)
        case $text in
          '- '*)
            [ $dash -ge 0 ] || dash=$indent
            text=${text#- }
            if [ $indent = $dash ]; then
              end_user
              list=
              text=${text#"${text%%[! ]*}"}
            else
              [ "$list" != ssh_authorized_keys ] || items "$text" add_key
              # The first rule is the one that counts.
              [ "$list" != sudo ] || [ "$sudo" ] || { unquote "$text" && sudo=$value; }
              continue
            fi
            ;;
        esac
        pair || continue
        list=$key
        [ "$value" ] || continue
        case $key in
          ssh_authorized_keys) items "$value" add_key ;;
          name) unquote "$value" && name=$value ;;
          sudo)
            case $value in '['*) value=${value#?} value=${value%]} ;; esac
            unquote "$value"
            sudo=$value
            ;;
          shell) unquote "$value" && shell=$value ;;
          gecos) unquote "$value" && gecos=$value ;;
        esac
        ;;
    esac
  done
  end_user
}

end_link() {
  [ -z "$id" ] || links=$links${links:+$newline}$mac'|'${rename:-$id}'|'$addresses'|'$gateway'|'$dhcp
  id='' mac='' rename='' addresses='' gateway='' dhcp=''
}

# parse_network TEXT: a network-config of version 2; `ethernets` only.
parse_network() {
  section='' list='' level=-1 id='' mac='' rename='' addresses='' gateway='' dhcp='' inside='' inside_indent=0 to=''
  for line in $1; do
    split "$line"
    case $text in '' | '#'*) continue ;; esac
    # A document may wrap all of it in "network:".
    [ "$text" != network: ] || continue
    case $text in
      ethernets:*) section=ethernets top=$indent level=-1 && continue ;;
    esac
    [ "$section" ] || continue
    if [ $indent -le $top ] && [ "${text#-}" = "$text" ]; then
      section=
      continue
    fi
    [ $level -ge 0 ] || level=$indent
    if [ $indent = $level ]; then
      end_link
      inside='' list=
      pair && id=$key
      continue
    fi
    dashed=
    case $text in
      '- '*)
        dashed=1 text=${text#- }
        text=${text#"${text%%[! ]*}"}
        ;;
    esac
    if [ "$inside" ] && [ $indent -le $inside_indent ] && ! { [ $dashed ] && [ $indent = $inside_indent ]; }; then
      inside='' list=
    fi
    # A list item that is no mapping; an address of version 6 has colons, but none before a blank.
    if [ $dashed ] && [ "$inside" != routes ]; then
      case $inside.$list in
        .addresses) items "$text" add_address ;;
        nameservers.addresses) items "$text" add_dns ;;
        nameservers.search) items "$text" add_search ;;
      esac
      continue
    fi
    pair || continue
    list=$key
    case $inside.$key in
      .match | .nameservers | .routes)
        inside=$key inside_indent=$indent
        # {a: b} on one line is beyond this parser, except for what is empty.
        ;;
      match.macaddress) unquote "$value" && mac=$value ;;
      .set-name) unquote "$value" && rename=$value ;;
      .addresses) [ -z "$value" ] || items "$value" add_address ;;
      .gateway4) unquote "$value" && gateway=$value ;;
      .dhcp4) unquote "$value" && case $value in true | yes | on) dhcp=1 ;; esac ;;
      nameservers.addresses) [ -z "$value" ] || items "$value" add_dns ;;
      nameservers.search) [ -z "$value" ] || items "$value" add_search ;;
      routes.to) unquote "$value" && to=$value ;;
      routes.via)
        unquote "$value"
        case $to in default | 0.0.0.0/0 | '') gateway=$value ;; esac
        ;;
    esac
  done
  end_link
}

seed_parse() {
  hostname='' fqdn='' keys='' users='' links='' dns='' search=''
  # shellcheck disable=SC3003 # busybox's shell knows it
  return=$'\r'
  set -f
  IFS=$newline
  # What the host name says in meta-data holds unless a document says it; user-data comes last and wins.
  for line in $meta; do
    split "$line"
    pair || continue
    case $key in
      local-hostname | hostname) [ "$hostname" ] || { unquote "$value" && hostname=$value; } ;;
    esac
  done
  case $vendor in '#cloud-config'*) parse_cloud "$vendor" ;; esac
  # A MIME message: fleetbox's own, around the user's; the headers of its parts read like keys that nobody knows.
  case $user in '#cloud-config'* | 'Content-Type: multipart/'*) parse_cloud "$user" ;; esac
  parse_network "$net"
  unset IFS
  set +f
}

# netmask ADDRESS/PREFIX → $mask; without a prefix, 24 bits.
netmask() {
  mask=24
  case $1 in */[0-9] | */[12][0-9] | */3[0-2]) mask=${1#*/} ;; esac
  mask=$((0xffffffff << (32 - mask)))
  mask=$((mask >> 24 & 255)).$((mask >> 16 & 255)).$((mask >> 8 & 255)).$((mask & 255))
}

# Finds the interface of each link by its MAC address, names it, and gives it addresses, route and name servers.
# Sets interface and address to the first.
network_up() {
  interface='' address=''
  if [ -z "$links" ]; then
    [ -e /sys/class/net/eth0 ] || return
    complain 'the seed has no network-config; asking for an address by DHCP'
    links='|eth0|||1'
  fi
  while IFS='|' read -r mac name addresses gateway dhcp; do
    device=
    for path in /sys/class/net/*; do
      read -r have <"$path/address" || continue
      # shellcheck disable=SC2018,SC2019 # a MAC address is ASCII
      case $mac in
        '') [ "${path##*/}" != "$name" ] || device=$name ;;
        *[A-Z]*) [ "$have" != "$(echo "$mac" | tr A-Z a-z)" ] || device=${path##*/} ;;
        "$have") device=${path##*/} ;;
      esac
    done
    if [ -z "$device" ]; then
      complain "found no network interface with the address ${mac:-of $name}, expected one for $name"
      continue
    fi
    if [ "$device" != "$name" ]; then
      if ip link set "$device" name "$name"; then device=$name; else complain "cannot rename $device to $name"; fi
    fi
    # The first address and "up" in one go.
    first=${addresses%% *}
    netmask "$first"
    case $first in
      *:* | '') ip link set "$device" up || complain "cannot bring up $device" ;;
      *) ifconfig "$device" "${first%/*}" netmask "$mask" up || complain "cannot set the address $first on $device" ;;
    esac
    for one in $addresses; do
      case $one in
        *:*) ip -6 addr add "$one" dev "$device" || complain "cannot set the address $one on $device" ;;
        "$first") ;;
        *) ip addr add "$one" brd + dev "$device" || complain "cannot set the address $one on $device" ;;
      esac
    done
    [ -z "$gateway" ] || ip route add default via "$gateway" dev "$device" || complain "cannot set the route via $gateway"
    [ -z "$dhcp" ] || udhcpc -b -q -i "$device" -s /usr/lib/fleetbox/dhcp >/dev/null 2>&1
    if [ -z "$interface" ]; then
      interface=$device address=${addresses%%/*}
    fi
  done <<LINKS
$links
LINKS
  if [ "$dns" ]; then
    {
      [ -z "$search" ] || echo "search $search"
      for server in $dns; do echo "nameserver $server"; done
    } >/etc/resolv.conf
  fi
}

# Mounts each fixture, the n-th by the n-th label.
mount_fixtures() {
  number=0
  while IFS= read -r path; do
    [ "$path" ] || continue
    if mkdir -p "$path" && mount -t ext4 -o ro "LABEL=fb-fixture-$number" "$path"; then :; else
      complain "cannot mount a fixture at $path"
    fi
    number=$((number + 1))
  done <<FIXTURES
$fixtures
FIXTURES
}

# Creates the users that are new, and gives root and all of them the keys.
accounts() {
  authorize /root 0
  [ -z "$users" ] && return
  next=1000
  while IFS='|' read -r name sudo shell gecos; do
    uid=
    while IFS=: read -r known _ number _; do
      [ "$known" != "$name" ] || uid=$number
      [ "$number" -lt $next ] || [ "$number" -ge 60000 ] || next=$((number + 1))
    done </etc/passwd
    if [ -z "$uid" ]; then
      uid=$next
      [ -x "$shell" ] || shell=/bin/sh
      echo "$name:x:$uid:$uid:$gecos:/home/$name:$shell" >>/etc/passwd
      echo "$name:x:$uid:" >>/etc/group
      echo "$name:*:19000:0:99999:7:::" >>/etc/shadow
    fi
    case $sudo in
      '' | [Ff]alse | null) ;;
      *) [ -e "/etc/sudoers.d/$name" ] || (umask 227 && echo "$name $sudo" >"/etc/sudoers.d/$name") ;;
    esac
    authorize "/home/$name" "$uid"
  done <<USERS
$users
USERS
}

# authorize HOME UID: the seed's keys, and no others, may log in there.
authorize() {
  if ! [ -d "$1/.ssh" ]; then
    (
      [ -d "$1" ] || mkdir "$1"
      umask 077
      mkdir "$1/.ssh"
      : >"$1/.ssh/authorized_keys"
    )
    chown -R "$2:$2" "$1"
  fi
  echo "$keys" >"$1/.ssh/authorized_keys"
}
