#!/usr/bin/env bash
# Closes Docker's bypass of the host's firewall: from outside, only the declared ports reach a container.
# DOCKER-USER sees packets after DNAT, so the original destination port is what counts. Idempotent; run before
# every start of Docker and after every change of the ports.
set -euo pipefail

PORTS="80 443"
# shellcheck disable=SC1091
[ ! -f /etc/foundation/firewall.conf ] || . /etc/foundation/firewall.conf

rules() { # one rule of chain FOUNDATION a line
  echo "-m conntrack --ctstate RELATED,ESTABLISHED -j RETURN"
  local bridge port
  for bridge in docker0 br-+ fnd-+; do echo "-i $bridge -j RETURN"; done
  for port in $PORTS; do echo "-p tcp -m conntrack --ctorigdstport $port --ctdir ORIGINAL -j RETURN"; done
  echo "-p udp -m conntrack --ctorigdstport 443 --ctdir ORIGINAL -j RETURN"
  # Only what is on its way into a container is refused; forwarding between other interfaces is not ours to judge.
  for bridge in docker0 br-+ fnd-+; do echo "-o $bridge -j DROP"; done
}

load() { # COMMAND
  # One transaction: at no moment is the chain half-filled. Docker keeps a DOCKER-USER that exists before it starts.
  {
    echo "*filter"
    echo ":FOUNDATION - [0:0]"
    rules | sed 's/^/-A FOUNDATION /'
    echo COMMIT
  } | "$1-restore" --noflush
  "$1" -n -L DOCKER-USER >/dev/null 2>&1 || "$1" -N DOCKER-USER
  "$1" -C DOCKER-USER -j FOUNDATION 2>/dev/null || "$1" -I DOCKER-USER -j FOUNDATION
}

main() {
  load iptables
  if [ -e /proc/net/if_inet6 ] && ip6tables -n -L >/dev/null 2>&1; then load ip6tables; fi
}

main "$@" </dev/null
