//! Configurations that are refused: one clear error, and the cluster has the first one and works.
use crate::bed::{Kept, run};
use crate::started::{tells, words};

#[test]
fn what_is_wrong_on_the_command_line_is_said_before_anything_starts() {
    for (line, says) in [
        (
            "change --to flatnet,colour=red",
            "flatnet takes no option \"colour\"; choose backend, ",
        ),
        (
            "change --to flatnet,mtu=100",
            "invalid value '100' for '--mtu <BYTES>'",
        ),
        ("change --to calico", "--cni calico: unknown CNI"),
        (
            "change --to flatnet --from nonsense,x=1",
            "nonsense takes no options",
        ),
        (
            "change --to flatnet,pod-cidr=172.18.0.0/16",
            "overlaps 172.18.0.0/16, the network of the lab's nodes",
        ),
        (
            "change --to flatnet,pod-cidr=10.0.0.0/23",
            "has room for 2 podCIDRs of /24, but 3 nodes need one each",
        ),
        (
            "change --to flatnet,plugin=/nowhere",
            "plugin /nowhere: not a program that can be run",
        ),
        (
            "change --to flatnet,pod-cidr=10.1.0.0/16 --provider kind",
            "pod-cidr=10.1.0.0/16 is an option for labs",
        ),
        (
            "change --to reference --provider kind",
            "it is a conflist for the lab",
        ),
        (
            "change --to flatnet --provider kubeconfig --kubeconfig /nowhere",
            "flatnet did not boot this cluster, and a change of its CNI may cut the network of every pod on it; add --disruptive",
        ),
        (
            "change --to flatnet --from flatnet --provider kubeconfig --kubeconfig /nowhere --disruptive",
            "--from: what the cluster has is read from it",
        ),
        (
            "change --to flatnet --cluster flatnet-suite-nobody",
            "no cluster of that name is running",
        ),
    ] {
        tells(&run(line), 2, &[says]);
    }
}

#[test]
fn a_configuration_that_a_node_refuses_leaves_every_node_with_the_first_one() {
    let lab = Kept::boot("suite-change-refused", "");
    let first = lab.mtus();
    let dir = tempfile::tempdir().unwrap();
    let conflist = dir.path().join("bad.conflist");
    // A plugin that parses it, and cannot add a pod with it.
    let text = r#"{"cniVersion":"1.0.0","name":"bad","plugins":[{"type":"bridge","bridge":"cni0","vlan":5000,"ipam":{"type":"host-local","ranges":${RANGES}}}]}"#;
    std::fs::write(&conflist, text).unwrap();
    let path = conflist.display();
    for (to, says) in [
        (
            "--to flatnet,mtu=576,bridge=eth0".to_owned(),
            "the agent of node1 does not make its node ready",
        ),
        (
            format!("--to {path} --to-cni-bin /usr/lib/cni"),
            "refused: the first new pod on node1 does not run",
        ),
    ] {
        let refused = run(&format!("change --cluster suite-change-refused {to}"));
        tells(&refused, 2, &[says]);
        assert_eq!(lab.mtus(), first);
        let test = run("test --quiet --cluster suite-change-refused");
        assert_eq!(test.status.code(), Some(0), "{}", words(&test));
        let conf = lab.on("node1", "ls /etc/cni/net.d");
        assert_eq!(conf.trim(), "10-flatnet.conflist");
    }
    let other = run("change --cluster suite-change-refused --from reference --to flatnet,mtu=1400");
    tells(
        &other,
        2,
        &["--from reference: lab suite-change-refused has flatnet; leave --from out"],
    );
}
