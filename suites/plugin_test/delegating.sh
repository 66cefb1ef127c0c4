#!/bin/sh
# A small plugin that delegates: addresses from the IPAM plugin of its configuration, everything else from flatnet's plugin at $real.
real=REAL
in=$(cat)
name=${in#*\"ipam\":\{\"type\":\"}; name=${name%%\"*}
own=$(printf %s "$in" | sed 's/"ipam":{[^}]*}/"ipam":{"ranges":[[{"subnet":"10.89.0.0\/24"}]]}/')
run() { printf %s "$own" | "$real"; }
delegate() {
  for d in $(echo "$CNI_PATH" | tr : ' '); do [ -x "$d/$name" ] && { printf %s "$in" | CNI_COMMAND=$1 "$d/$name"; return; }; done
  printf '{"cniVersion":"1.1.0","code":100,"msg":"no plugin %s"}' "$name"; return 1
}
DEFECT
# What flatnet's plugin refuses before it does anything (a missing variable, a bad name) is nothing to delegate.
valid() { case $(printf %s "$own" | CNI_COMMAND=VERSION "$real") in *'"code"'*) return 1 ;; esac
  case $CNI_CONTAINERID in [A-Za-z0-9]*) ;; *) return 1 ;; esac
  case $CNI_CONTAINERID in *[!A-Za-z0-9_.-]*) return 1 ;; esac
  case $CNI_IFNAME in ''|.|..|*[\ /]*|????????????????*) return 1 ;; esac
  case $in in *'"cniVersion":"99'*|'{ this'*) return 1 ;; *'"name":'*) ;; *) return 1 ;; esac; }
quietly() { out=$("$@"); code=$?; [ $code = 0 ] || { printf '%s\n' "$out"; exit $code; }; }
case $CNI_COMMAND in
ADD)
  valid && [ -n "$CNI_NETNS" ] || { run; exit; }
  out=$(delegate ADD) || { undo=$(delegate DEL); printf '%s\n' "$out"; exit 1; }
  out=$(run) || { undo=$(delegate DEL); printf '%s\n' "$out"; exit 1; }
  printf '%s\n' "$out" ;;
DEL) valid || { run; exit; }; quietly delegate DEL; run ;;
CHECK) valid && [ -n "$CNI_NETNS" ] || { run; exit; }; quietly delegate CHECK; run ;;
GC|STATUS) case $in in *'"cniVersion":"1.1.0"'*) ;; *) run; exit ;; esac; quietly delegate "$CNI_COMMAND"; run ;;
*) run ;;
esac
