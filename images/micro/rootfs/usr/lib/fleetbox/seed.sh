# What a micro guest knows of cloud-init: reading a NoCloud seed, and doing what it says.
#
# Sourced by ./boot. The parser takes the subset of YAML that fleetbox writes (block mappings and lists, one value a line,
# inline lists of scalars, either kind of quote) and steps over what it does not know: a user's own user-data comes along.
# It uses no process of its own.
#
# Sets: hostname fqdn, keys (one a line), users (one a line: name|sudo|shell|gecos), links (one a line:
# mac|name|addresses|gateway|dhcp), dns, search.

newline='
'

# Reads the four files of the volume labelled cidata into meta, user, vendor and net. Without one, all stay empty.
seed_read() {
  meta='' user='' vendor='' net=''
  volume=$(findfs LABEL=cidata 2>/dev/null || findfs LABEL=CIDATA 2>/dev/null) || {
    complain 'found no seed, expected a disk labelled cidata; going on without'
    return
  }
  mount -t vfat -o ro "$volume" /mnt 2>/dev/null || mount -t iso9660 -o ro "$volume" /mnt || {
    complain "cannot read the seed on $volume, expected vfat or iso9660"
    return
  }
  [ ! -e /mnt/meta-data ] || meta=$(cat /mnt/meta-data)
  [ ! -e /mnt/vendor-data ] || vendor=$(cat /mnt/vendor-data)
  [ ! -e /mnt/user-data ] || user=$(cat /mnt/user-data)
  [ ! -e /mnt/network-config ] || net=$(cat /mnt/network-config)
  umount /mnt
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
  return=$(printf '\r')
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
  case $user in '#cloud-config'*) parse_cloud "$user" ;; esac
  parse_network "$net"
  unset IFS
  set +f
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
  printf '%s\n' "$links" >/run/fleetbox.links
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
      ip link set "$device" name "$name" && device=$name || complain "cannot rename $device to $name"
    fi
    for one in $addresses; do
      case $one in
        *:*) ip -6 addr add "$one" dev "$device" ;;
        *) ip addr add "$one" brd + dev "$device" || complain "cannot set the address $one on $device" ;;
      esac
    done
    ip link set "$device" up || complain "cannot bring up $device"
    [ -z "$gateway" ] || ip route add default via "$gateway" dev "$device" || complain "cannot set the route via $gateway"
    [ -z "$dhcp" ] || udhcpc -b -q -i "$device" -s /usr/lib/fleetbox/dhcp >/dev/null 2>&1
    if [ -z "$interface" ]; then
      interface=$device address=${addresses%%/*}
    fi
  done </run/fleetbox.links
  if [ "$dns" ]; then
    {
      [ -z "$search" ] || echo "search $search"
      for server in $dns; do echo "nameserver $server"; done
    } >/etc/resolv.conf
  fi
}

# Creates the users that are new, and gives root and all of them the keys.
accounts() {
  authorize /root 0
  [ -z "$users" ] && return
  printf '%s\n' "$users" >/run/fleetbox.users
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
  done </run/fleetbox.users
}

# authorize HOME UID: the seed's keys, and no others, may log in there.
authorize() {
  [ -d "$1/.ssh" ] || {
    mkdir -p "$1/.ssh"
    chmod 700 "$1/.ssh"
    : >"$1/.ssh/authorized_keys"
    chmod 600 "$1/.ssh/authorized_keys"
    chown -R "$2:$2" "$1"
  }
  printf '%s\n' "$keys" >"$1/.ssh/authorized_keys"
}
