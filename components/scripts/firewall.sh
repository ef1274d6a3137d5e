#!/usr/bin/env bash
# Closes Docker's bypass of the host's firewall: from outside, only the declared ports reach a container. And jobs of
# Actions reach names, the web server and the internet, and nothing else that is in here or in the neighbourhood.
# DOCKER-USER sees packets after DNAT, so the original destination port is what counts. Idempotent; run before
# every start of Docker and of the jobs' containers, and after every change of the ports.
set -euo pipefail

PORTS="80 443"
# Bridge of the runner's only network.
RUNNER=fnd-13
# Users that jobs run as, a range included, and the web server's address for them; empty without rootless jobs.
JOB_USERS=""
JOB_DOOR=""
for file in firewall firewall-jobs; do
  # shellcheck disable=SC1090
  [ ! -f "/etc/foundation/$file.conf" ] || . "/etc/foundation/$file.conf"
done

# Networks that are not the internet: neighbours, tunnels, and the address at which clouds tell a VM its secrets.
neighbours() { # COMMAND
  case $1 in
    iptables) echo 0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.168.0.0/16 198.18.0.0/15 224.0.0.0/3 ;;
    *) echo ::1/128 fc00::/7 fe80::/10 ff00::/8 64:ff9b::/96 ;;
  esac
}

to_containers() { # COMMAND; one rule of chain FOUNDATION a line, as in the others
  echo "-m conntrack --ctstate RELATED,ESTABLISHED -j RETURN"
  local bridge port network
  echo "-i $RUNNER -o $RUNNER -j RETURN"
  echo "-i $RUNNER -p udp --dport 53 -j RETURN"
  echo "-i $RUNNER -p tcp --dport 53 -j RETURN"
  for network in $(neighbours "$1"); do echo "-i $RUNNER -d $network -j DROP"; done
  for bridge in docker0 br-+ fnd-+; do echo "-i $bridge -j RETURN"; done
  for port in $PORTS; do echo "-p tcp -m conntrack --ctorigdstport $port --ctdir ORIGINAL -j RETURN"; done
  echo "-p udp -m conntrack --ctorigdstport 443 --ctdir ORIGINAL -j RETURN"
  # Only what is on its way into a container is refused; forwarding between other interfaces is not ours to judge.
  for bridge in docker0 br-+ fnd-+; do echo "-o $bridge -j DROP"; done
}

to_host() { # the VM itself, whatever its address: the runner has no business there
  echo "-m conntrack --ctstate RELATED,ESTABLISHED -j RETURN"
  echo "-i $RUNNER -j DROP"
}

from_users() { # what the VM's own processes send; those of rootless containers are among them
  local user
  for user in $JOB_USERS; do echo "-m owner --uid-owner $user -j FOUNDATION-JOBS"; done
}

from_jobs() { # COMMAND
  local network port
  echo "-p udp --dport 53 -j RETURN"
  echo "-p tcp --dport 53 -j RETURN"
  if [ "$1" = iptables ] && [ -n "$JOB_DOOR" ]; then
    for port in 80 443; do echo "-d $JOB_DOOR -p tcp --dport $port -j RETURN"; done
  fi
  echo "-m addrtype --dst-type LOCAL -j REJECT"
  for network in $(neighbours "$1"); do echo "-d $network -j REJECT"; done
}

load() { # COMMAND
  # One transaction: at no moment is a chain half-filled. Docker keeps a DOCKER-USER that exists before it starts.
  {
    echo "*filter"
    printf ':%s - [0:0]\n' FOUNDATION FOUNDATION-INPUT FOUNDATION-OUTPUT FOUNDATION-JOBS
    to_containers "$1" | sed 's/^/-A FOUNDATION /'
    to_host | sed 's/^/-A FOUNDATION-INPUT /'
    from_users | sed 's/^/-A FOUNDATION-OUTPUT /'
    from_jobs "$1" | sed 's/^/-A FOUNDATION-JOBS /'
    echo COMMIT
  } | "$1-restore" --noflush
  "$1" -n -L DOCKER-USER >/dev/null 2>&1 || "$1" -N DOCKER-USER
  jump "$1" DOCKER-USER FOUNDATION
  jump "$1" INPUT FOUNDATION-INPUT
  jump "$1" OUTPUT FOUNDATION-OUTPUT
}

jump() { # COMMAND FROM TO
  "$1" -C "$2" -j "$3" 2>/dev/null || "$1" -I "$2" -j "$3"
}

main() {
  load iptables
  if [ -e /proc/net/if_inet6 ] && ip6tables -n -L >/dev/null 2>&1; then load ip6tables; fi
}

main "$@" </dev/null
