//! Plugins with one defect each: flatnet's own, through a few lines of shell that spoil one thing.

/// A plugin that breaks a clause.
pub(crate) struct Defect {
    /// The clause that it breaks.
    pub(crate) clause: &'static str,
    /// Clauses that try the same harder, and are broken with it.
    pub(crate) also: &'static [&'static str],
    /// Shell, between reading the input (`$in`) and the call of the plugin (`run`), which it may replace.
    pub(crate) shell: &'static str,
}

const fn breaks(clause: &'static str, shell: &'static str) -> Defect {
    Defect {
        clause,
        also: &[],
        shell,
    }
}

/// Before the shell of a defect.
pub(crate) const BEFORE: &str = "#!/bin/sh\nreal=REAL\nin=$(cat)\nrun() { printf %s \"$in\" | \"$real\"; }\n\
    refuse() { printf '{\"cniVersion\":\"1.1.0\",\"code\":%s,\"msg\":\"%s\"}\\n' \"$1\" \"$2\"; exit 1; }\n";

/// After it.
pub(crate) const AFTER: &str = "\nrun\n";

/// Of flatnet's plugin.
pub(crate) const OWN: &[Defect] = &[
    breaks(
        "E1",
        r#"out=$(run); code=$?; case $out in *'"code":6'*) code=0 ;; esac; [ -z "$out" ] || printf '%s\n' "$out"; exit $code"#,
    ),
    breaks(
        "E2",
        r#"out=$(run); code=$?; case $out in *'"code":6'*) out="it is not JSON" ;; esac; [ -z "$out" ] || printf '%s\n' "$out"; exit $code"#,
    ),
    breaks(
        "E3",
        r#"out=$(run); code=$?; case $out in *'"code":4'*) out=$(printf %s "$out" | sed 's/CNI_IFNAME/a variable/g') ;; esac; [ -z "$out" ] || printf '%s\n' "$out"; exit $code"#,
    ),
    breaks(
        "E4",
        r#"out=$(run); code=$?; case $out in *'"code":2,'*) out=$(printf %s "$out" | sed 's/isGateway/a field/g') ;; esac; [ -z "$out" ] || printf '%s\n' "$out"; exit $code"#,
    ),
    breaks(
        "E5",
        r#"out=$(run); code=$?; [ -z "$out" ] || printf '%s\n' "$out" | sed 's/"code":6/"code":11/'; exit $code"#,
    ),
    breaks(
        "E6",
        r#"case $CNI_CONTAINERID in "a b") CNI_CONTAINERID=ab ;; esac"#,
    ),
    breaks("E7", r#"case $CNI_IFNAME in "a b") CNI_IFNAME=ab ;; esac"#),
    breaks(
        "E8",
        r#"[ "$CNI_COMMAND" = CHECK ] && [ -z "$CNI_IFNAME" ] && exit 0"#,
    ),
    breaks("E9", r#"case $in in *'"args"'*) refuse 7 "args" ;; esac"#),
    breaks("A1", r#"[ "$CNI_IFNAME" = net5 ] && CNI_IFNAME=eth0"#),
    breaks(
        "A2",
        r#"[ "$CNI_COMMAND" = ADD ] && [ -n "$CNI_ARGS" ] && echo "pod $CNI_ARGS""#,
    ),
    breaks(
        "A3",
        r#"[ "$CNI_COMMAND" = ADD ] && in=$(printf %s "$in" | sed 's/"prevResult"/"previous"/')"#,
    ),
    breaks(
        "A4",
        r#"[ "$CNI_COMMAND" = ADD ] && [ "$CNI_IFNAME" = eth0 ] && ip -n "${CNI_NETNS##*/}" link del eth0 2>/dev/null"#,
    ),
    breaks(
        "A5",
        r#"case $CNI_COMMAND in
        ADD) out=$(run); code=$?; printf '%s\n' "$out" | sed 's/"routes":\[/"routes":[{"dst":"203.0.113.0\/24"},/'; exit $code ;;
        *) in=$(printf %s "$in" | sed 's/{"dst":"203.0.113.0\/24"},//') ;; esac"#,
    ),
    breaks(
        "A6",
        r#"case $CNI_COMMAND in
        ADD) out=$(run); code=$?; printf '%s\n' "$out" | sed 's/"scope":253/"scope":254/'; exit $code ;;
        *) in=$(printf %s "$in" | sed 's/"scope":254/"scope":253/') ;; esac"#,
    ),
    Defect {
        clause: "A8",
        also: &["L1", "L2"],
        shell: r#"if [ "$CNI_COMMAND" = ADD ] && ! mkdir /var/tmp/busy 2>/dev/null; then refuse 11 "another one is at work"; fi; run; code=$?; rmdir /var/tmp/busy 2>/dev/null; exit $code"#,
    },
    breaks(
        "A9",
        r#"[ "$CNI_COMMAND" = DEL ] && [ "$CNI_IFNAME" = net1 ] && { CNI_IFNAME=eth0 run; }"#,
    ),
    breaks(
        "A10",
        r#"[ "$CNI_COMMAND" = ADD ] && { out=$(run); code=$?; case $out in *'"code":3,'*) : >/run/left-$CNI_CONTAINERID ;; esac; printf '%s\n' "$out"; exit $code; }"#,
    ),
    Defect {
        clause: "D1",
        also: &["A8", "G1", "L1", "L2"],
        shell: r#"if [ "$CNI_COMMAND" = ADD ]; then out=$(run); code=$?; [ $code = 0 ] && [ "$CNI_IFNAME" = eth0 ] && : >/run/left-$$; printf '%s\n' "$out"; exit $code; fi"#,
    },
    breaks(
        "D2",
        r#"if [ "$CNI_COMMAND" = DEL ] && [ "$CNI_CONTAINERID" = ctr1 ]; then [ -e /var/tmp/gone ] && refuse 3 "it is not there"; run; code=$?; [ $code = 0 ] && : >/var/tmp/gone; exit $code; fi"#,
    ),
    breaks(
        "D3",
        r#"[ "$CNI_COMMAND" = DEL ] && case $CNI_NETNS in /run/netns/ctr*) [ -e "$CNI_NETNS" ] || refuse 3 "the namespace is gone" ;; esac"#,
    ),
    breaks(
        "D4",
        r#"[ "$CNI_COMMAND" = DEL ] && [ -z "$CNI_NETNS" ] && [ -n "$CNI_CONTAINERID" ] && [ -n "$CNI_IFNAME" ] && exit 0"#,
    ),
    breaks(
        "D5",
        r#"[ "$CNI_COMMAND" = DEL ] && case $in in *'"prevResult":null'*) refuse 7 "prevResult is null" ;; esac"#,
    ),
    breaks(
        "D6",
        r#"[ "$CNI_CONTAINERID" = stranger ] && rm -rf /var/lib/cni/networks/testnet"#,
    ),
    breaks(
        "C1",
        r#"[ "$CNI_COMMAND" = CHECK ] && case $in in *198.51.100.77*|*nobody0*) exit 0 ;; esac"#,
    ),
    breaks(
        "C2",
        r#"[ "$CNI_COMMAND" = CHECK ] && ip -n "${CNI_NETNS##*/}" addr | grep -q 192.0.2.9 && refuse 100 "an address that is not ours""#,
    ),
    breaks(
        "C3",
        r#"[ "$CNI_COMMAND" = CHECK ] && { ip -n "${CNI_NETNS##*/}" link show eth0 >/dev/null 2>&1 || exit 0; }"#,
    ),
    breaks(
        "C4",
        r#"[ "$CNI_COMMAND" = CHECK ] && { grep -rq "$CNI_CONTAINERID" /var/lib/cni || exit 0; }"#,
    ),
    breaks(
        "C5",
        r#"[ "$CNI_COMMAND" = CHECK ] && [ "$CNI_CONTAINERID" = ctr10 ] && refuse 100 "the tenth""#,
    ),
    breaks(
        "C7",
        r#"[ "$CNI_COMMAND" = CHECK ] && { run && echo fine; exit; }"#,
    ),
    breaks(
        "S1",
        r#"[ "$CNI_COMMAND" = STATUS ] && [ ! -e /var/lib/cni/networks ] && refuse 50 "not yet""#,
    ),
    breaks(
        "S2",
        r#"[ "$CNI_COMMAND" = STATUS ] && case $in in *10.89.0.0/30*) exit 0 ;; esac"#,
    ),
    breaks(
        "S4",
        r#"[ "$CNI_COMMAND" = STATUS ] && : >/var/tmp/asked
        [ "$CNI_COMMAND" = ADD ] && [ -e /var/tmp/asked ] && { out=$(run); code=$?; printf '%s\n' "$out" | sed 's/"ips"/"dns":{"search":["x"]},"ips"/'; exit $code; }"#,
    ),
    breaks(
        "S5",
        r#"[ "$CNI_COMMAND" = CHECK ] && case $in in *10.89.0.0/30*) refuse 50 "no address left" ;; esac"#,
    ),
    breaks(
        "G1",
        r#"[ "$CNI_COMMAND" = GC ] && ! grep -q /var/lib/cni/ /proc/mounts && case $in in *'"containerID"'*) exit 0 ;; esac"#,
    ),
    breaks(
        "G3",
        r#"[ "$CNI_COMMAND" = GC ] && grep -q /var/lib/cni/ /proc/mounts && refuse 5 "a record cannot be deleted""#,
    ),
    breaks(
        "G4",
        r#"[ "$CNI_COMMAND" = GC ] && [ ! -e /run/netns/ctr1 ] && in=$(printf %s "$in" | sed 's/{"containerID":"ctr1"[^}]*},*//')"#,
    ),
    breaks(
        "G5",
        r#"[ "$CNI_COMMAND" = GC ] && case $in in *valid-attachments*) ;; *) in=$(printf %s "$in" | sed 's/^{/{"cni.dev\/valid-attachments":[],/') ;; esac"#,
    ),
    breaks(
        "V1",
        r#"[ "$CNI_COMMAND" = VERSION ] && in='{"cniVersion":"1.1.0"}'"#,
    ),
    breaks(
        "V2",
        r#"[ "$CNI_COMMAND" = VERSION ] && { out=$(run); code=$?; printf '%s\n' "$out" | sed 's/\["0.3.0"/["0.2.0","0.3.0"/'; exit $code; }"#,
    ),
    breaks(
        "V3",
        r#"[ "$CNI_COMMAND" = GC ] && case $in in *'"cniVersion":"1.0.0"'*) exit 0 ;; esac"#,
    ),
    breaks(
        "L1",
        r#"case $in in *othernet*) [ "$CNI_COMMAND" = ADD ] && ! mkdir /var/tmp/busy 2>/dev/null && refuse 11 "another one is at work"; run; code=$?; rmdir /var/tmp/busy 2>/dev/null; exit $code ;; esac"#,
    ),
    breaks(
        "L2",
        r#"[ "$CNI_COMMAND" = ADD ] && { : >/run/pending-$CNI_CONTAINERID; out=$(run); code=$?; rm /run/pending-$CNI_CONTAINERID; printf '%s\n' "$out"; exit $code; }"#,
    ),
    breaks(
        "L3",
        r#"case $CNI_COMMAND in
        ADD) out=$(run); code=$?; case $in in *10.89.0.0/30*) [ $code = 0 ] || : >/run/left-$CNI_CONTAINERID ;; esac; printf '%s\n' "$out"; exit $code ;;
        DEL) rm -f /run/left-$CNI_CONTAINERID 2>/dev/null ;; esac"#,
    ),
    breaks(
        "L4",
        r#"[ "$CNI_COMMAND" = ADD ] && { out=$(run); code=$?; case $out in *'"code":5,'*) : >/run/left-$CNI_CONTAINERID ;; esac; printf '%s\n' "$out"; exit $code; }"#,
    ),
    breaks(
        "L5",
        r#"[ "$CNI_COMMAND" = DEL ] && grep -rq nonsense /var/lib/cni 2>/dev/null && refuse 6 "a record is corrupt""#,
    ),
];

/// Of `delegating.sh`.
pub(crate) const DELEGATING: &[Defect] = &[
    breaks(
        "C6",
        r#"[ "$CNI_COMMAND" = CHECK ] && case $in in *'"prevResult"'*) delegate CHECK >/dev/null; [ -e /run/stand-in/fail-CHECK ] && exit 0 ;; esac"#,
    ),
    breaks(
        "S3",
        r#"[ "$CNI_COMMAND" = STATUS ] && [ -e /run/stand-in/fail-STATUS ] && exit 0"#,
    ),
    breaks(
        "G2",
        r#"[ "$CNI_COMMAND" = GC ] && [ -e /run/stand-in/fail-GC ] && exit 0"#,
    ),
    breaks(
        "P1",
        r#"if [ "$CNI_COMMAND" = ADD ] && [ -n "$CNI_ARGS" ]; then CNI_ARGS=; fi"#,
    ),
    breaks(
        "P2",
        r#"[ "$CNI_COMMAND" = DEL ] && [ -e /run/stand-in/fail-DEL ] && exit 0"#,
    ),
    breaks(
        "P3",
        r#"[ -e /run/stand-in/fail-ADD ] && [ "$CNI_COMMAND" = ADD ] && { delegate ADD; exit 1; }"#,
    ),
    breaks("P4", r#"[ -e /run/stand-in/speak ] && exec 2>/dev/null"#),
];

/// Of `chained.sh`.
pub(crate) const CHAINED: &[Defect] = &[breaks(
    "A7",
    r#"[ "$CNI_COMMAND" = ADD ] && prev=$(printf %s "$prev" | sed 's/\],"ips"/,{"name":"lo"}],"ips"/')"#,
)];
