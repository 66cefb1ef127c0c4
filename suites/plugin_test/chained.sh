#!/bin/sh
# A small chained plugin: it returns what it was given. Parameters are checked by flatnet's plugin at $real.
real=REAL
in=$(cat)
prev=$(printf %s "$in" | sed -n 's/.*"prevResult":\({.*}\),"type":.*/\1/p')
error() { printf '{"cniVersion":"1.1.0","code":%s,"msg":"%s"}\n' "$1" "$2"; exit 1; }
DEFECT
checked() {
  own=$(printf %s "$in" | sed 's/"prevResult":{.*},"type"/"prevResult":{},"type"/; s/"type":"/"ipam":{"ranges":[[{"subnet":"10.89.0.0\/24"}]]},"type":"/')
  # Everything that flatnet's plugin checks before it looks at the kernel: a namespace that is missing is its last word (code 3).
  out=$(printf %s "$own" | CNI_NETNS=${CNI_NETNS:+/nowhere} "$real")
  case $out in *'"code":3,'*|*'"code":11,'*|'') ;; *) printf '%s\n' "$out"; exit 1 ;; esac
}
case $CNI_COMMAND in
ADD) checked; [ -n "$prev" ] || error 7 "prevResult is missing"; printf '%s\n' "$prev" ;;
DEL) [ -n "$CNI_CONTAINERID" ] && [ -n "$CNI_IFNAME" ] || error 4 "CNI_CONTAINERID or CNI_IFNAME is missing" ;;
CHECK)
  [ -n "$CNI_CONTAINERID" ] && [ -n "$CNI_IFNAME" ] && [ -n "$CNI_NETNS" ] || error 4 "CNI_CONTAINERID, CNI_IFNAME or CNI_NETNS is missing"
  case $in in *'"cniVersion":"0.3'*) error 1 "CHECK came with 0.4.0" ;; esac
  [ -n "$prev" ] || error 7 "prevResult is missing" ;;
GC|STATUS) case $in in *'"cniVersion":"1.1.0"'*) ;; *) error 1 "$CNI_COMMAND came with 1.1.0" ;; esac ;;
*) printf %s "$in" | "$real" ;;
esac
