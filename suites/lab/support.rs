//! A lab for a test, and short words for what is done in it.
use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::time::{Duration, Instant};

use flatnet_lab::{IpFamily, Lab, LabSpec, LabTarget, NodeFile, NodeSpec, Stdio, Underlay};
use k8s_openapi::api::core::v1::{Event, Pod};

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_flatnet-lab");
/// Debian's containernetworking-plugins.
pub(crate) const PLUGINS: &str = "/usr/lib/cni";
pub(crate) const LIMIT: Duration = Duration::from_secs(20);

pub(crate) fn spec(test: &str, nodes: usize) -> LabSpec {
    let node = |i| NodeSpec {
        name: format!("node{i}"),
        pod_cidrs: vec![format!("10.244.{i}.0/24").parse().unwrap()],
    };
    LabSpec {
        name: format!("{test}-{}", std::process::id()),
        nodes: (1..=nodes).map(node).collect(),
        underlay: Underlay::L2,
        mtu: 1500,
        family: IpFamily::Ipv4,
        busybox: Some(std::fs::canonicalize("/bin/busybox").expect("apt install busybox-static")),
        programs: Vec::new(),
        labels: BTreeMap::from([("test".to_owned(), test.to_owned())]),
    }
}

pub(crate) fn boot(spec: &LabSpec) -> Lab {
    Lab::boot(Path::new(PROGRAM), spec, false).unwrap()
}

/// What a command printed, both streams, and its exit code.
pub(crate) fn run(lab: &Lab, place: &LabTarget, argv: &[&str]) -> (i32, String) {
    try_run(lab, place, argv).unwrap()
}

pub(crate) fn try_run(
    lab: &Lab,
    place: &LabTarget,
    argv: &[&str],
) -> flatnet_lab::Result<(i32, String)> {
    let (mut reader, writer) = std::io::pipe().unwrap();
    let stdio = Stdio {
        stdin: std::fs::File::open("/dev/null").unwrap().into(),
        stdout: writer.try_clone().unwrap().into(),
        stderr: writer.into(),
    };
    let argv: Vec<String> = argv.iter().map(|&word| word.to_owned()).collect();
    std::thread::scope(|scope| {
        let output = scope.spawn(move || {
            let mut text = String::new();
            reader.read_to_string(&mut text).unwrap();
            text
        });
        let code = lab.exec(place, &argv, &[], stdio);
        let text = output.join().unwrap();
        code.map(|code| (code, text))
    })
}

pub(crate) fn ok(lab: &Lab, place: &LabTarget, argv: &[&str]) -> String {
    let (code, text) = run(lab, place, argv);
    assert_eq!(code, 0, "{argv:?} in {place:?}: {text}");
    text
}

pub(crate) fn node(i: usize) -> LabTarget {
    LabTarget::Node(format!("node{i}"))
}

pub(crate) fn pod_place(name: &str) -> LabTarget {
    LabTarget::Pod("default".to_owned(), name.to_owned())
}

pub(crate) fn pod(name: &str, node: usize, spec: &str) -> Pod {
    let manifest = format!(
        "{{metadata: {{name: {name}}}, spec: {{nodeName: node{node}, terminationGracePeriodSeconds: 0, {spec}}}}}"
    );
    serde_yaml::from_str(&manifest).unwrap()
}

pub(crate) const SLEEPER: &str =
    "containers: [{name: busybox, image: 'busybox:1.36', command: [sleep, infinity]}]";

/// Debian's bridge and host-local on a node, over this subnet.
pub(crate) fn install_reference(lab: &Lab, i: usize, ranges: &[&str], version: &str) {
    for plugin in ["bridge", "host-local"] {
        let content = std::fs::read(Path::new(PLUGINS).join(plugin))
            .expect("apt install containernetworking-plugins");
        let path = format!("/opt/cni/bin/{plugin}");
        lab.write_file(
            &format!("node{i}"),
            &NodeFile {
                path: &path,
                content: &content,
                mode: 0o755,
            },
        )
        .unwrap();
    }
    let ranges: Vec<_> = ranges
        .iter()
        .map(|subnet| serde_json::json!([{ "subnet": subnet }]))
        .collect();
    let conflist = serde_json::json!({
        "cniVersion": version, "name": "ref",
        "plugins": [{"type": "bridge", "bridge": "cni0", "isDefaultGateway": true,
                     "ipam": {"type": "host-local", "ranges": ranges}}]
    });
    write_conflist(lab, i, &conflist.to_string());
}

pub(crate) fn write_conflist(lab: &Lab, i: usize, text: &str) {
    let file = NodeFile {
        path: "/etc/cni/net.d/10-ref.conflist",
        content: text.as_bytes(),
        mode: 0o644,
    };
    lab.write_file(&format!("node{i}"), &file).unwrap();
}

pub(crate) fn started(lab: &Lab, pod: &Pod) -> Pod {
    lab.apply_pod(pod).unwrap();
    let pod = lab
        .wait_pod("default", pod.metadata.name.as_deref().unwrap(), LIMIT)
        .unwrap();
    let status = pod.status.as_ref().unwrap();
    assert_eq!(status.phase.as_deref(), Some("Running"), "{status:#?}");
    pod
}

pub(crate) fn ip(pod: &Pod) -> String {
    pod.status.as_ref().unwrap().pod_ip.clone().unwrap()
}

/// Looks again until it is so; what is waited for is in the last word of a failure.
pub(crate) fn eventually<T: std::fmt::Debug>(
    mut look: impl FnMut() -> T,
    is_so: impl Fn(&T) -> bool,
    what: &str,
) -> T {
    let deadline = Instant::now() + LIMIT;
    loop {
        let seen = look();
        if is_so(&seen) {
            return seen;
        }
        assert!(
            Instant::now() < deadline,
            "waited for {what}; last seen: {seen:#?}"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

pub(crate) fn event(lab: &Lab, name: &str, reason: &str) -> Event {
    let find = || {
        lab.events("default", name)
            .unwrap()
            .into_iter()
            .find(|e| e.reason.as_deref() == Some(reason))
    };
    eventually(find, Option::is_some, reason).unwrap()
}
