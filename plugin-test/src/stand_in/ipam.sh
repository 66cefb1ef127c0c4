#!/bin/sh
# Stands in for an IPAM plugin: 10.89.0.2 and up, one file per address. Each call leaves its environment and input in $c; a file
# $c/fail-COMMAND makes that command fail.
d=/var/lib/cni/stand-in c=/run/stand-in
[ -d $d ] || mkdir -p $d
in=$(cat)
v=${in#*\"cniVersion\"}; v=${v#*\"}; v=${v%%\"*}
echo "$CNI_COMMAND" >>$c/calls
for n in CNI_COMMAND CNI_CONTAINERID CNI_NETNS CNI_IFNAME CNI_PATH CNI_ARGS; do eval "echo \"$n=\$$n\""; done >$c/$CNI_COMMAND.env
printf %s "$in" >$c/$CNI_COMMAND.stdin
if [ -e $c/fail-$CNI_COMMAND ]; then
  echo "stand-in speaks" >&2
  printf '{"cniVersion":"%s","code":142,"msg":"stand-in was told to fail","details":"%s"}' "$v" "$CNI_COMMAND"
  exit 1
fi
[ -e $c/speak ] && echo "stand-in speaks" >&2
me="$CNI_CONTAINERID $CNI_IFNAME"
case $CNI_COMMAND in
ADD)
  set -C; i=2
  until { echo "$me" >$d/10.89.0.$i; } 2>/dev/null; do
    i=$((i+1))
    if [ $i -gt 254 ]; then printf '{"cniVersion":"%s","code":143,"msg":"stand-in has no address left"}' "$v"; exit 1; fi
  done
  case $v in
  0.1.0|0.2.0) printf '{"cniVersion":"%s","ip4":{"ip":"10.89.0.%s/24","gateway":"10.89.0.1","routes":[{"dst":"0.0.0.0/0"}]}}' "$v" $i ;;
  0.*) printf '{"cniVersion":"%s","ips":[{"version":"4","address":"10.89.0.%s/24","gateway":"10.89.0.1"}],"routes":[{"dst":"0.0.0.0/0"}]}' "$v" $i ;;
  *) printf '{"cniVersion":"%s","ips":[{"address":"10.89.0.%s/24","gateway":"10.89.0.1"}],"routes":[{"dst":"0.0.0.0/0"}]}' "$v" $i ;;
  esac ;;
DEL) for f in $d/10.*; do if read -r l 2>/dev/null <$f && [ "$l" = "$me" ]; then rm -f $f; fi; done ;;
CHECK)
  for f in $d/10.*; do if read -r l 2>/dev/null <$f && [ "$l" = "$me" ]; then exit 0; fi; done
  printf '{"cniVersion":"%s","code":144,"msg":"stand-in has no address for %s"}' "$v" "$me"; exit 1 ;;
GC)
  case $in in *valid-attachments*)
    for f in $d/10.*; do
      read -r id ifname 2>/dev/null <$f || continue
      case $in in *"\"containerID\":\"$id\""*) ;; *) rm -f $f ;; esac
    done ;;
  esac ;;
STATUS) ;;
VERSION) printf '{"cniVersion":"%s","supportedVersions":["0.1.0","0.2.0","0.3.0","0.3.1","0.4.0","1.0.0","1.1.0"]}' "$v" ;;
esac
exit 0
