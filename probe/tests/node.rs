//! What a node is asked about: against `ss` and `ip`, and against folders made for it.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]
mod support;

use std::fs;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Child, Command};

use flatnet_model::probe::{
    FileContent, NetworkNamespace, NodeProcess, Owner, PluginVersion, Protocol, Sockets, ask,
};
use serde_json::Value;
use support::{Net, Probe, net_tests};

const PROC: &str = "/proc";

#[track_caller]
fn sockets(probe: &mut Probe, ports: &[u16]) -> Sockets {
    probe.ask(&ask::Sockets {
        proc: PROC.to_owned(),
        ports: ports.to_vec(),
    })
}

#[track_caller]
fn namespaces(probe: &mut Probe) -> Vec<NetworkNamespace> {
    let question = ask::NetworkNamespaces {
        proc: PROC.to_owned(),
    };
    probe.ask(&question).namespaces
}

#[track_caller]
fn processes(probe: &mut Probe, names: &[&str]) -> Vec<NodeProcess> {
    let question = ask::Processes {
        proc: PROC.to_owned(),
        names: names.iter().map(|name| (*name).to_owned()).collect(),
    };
    probe.ask(&question).processes
}

#[track_caller]
fn files(root: &Path, paths: &[&str]) -> Vec<(String, FileContent)> {
    let net = Net::new();
    let question = ask::Files {
        root: root.display().to_string(),
        paths: paths.iter().map(|path| (*path).to_owned()).collect(),
    };
    let files = net.probe().ask(&question).files.into_iter();
    files.map(|file| (file.path, file.content)).collect()
}

#[track_caller]
fn plugins(root: &str, bin_dir: &str) -> Vec<PluginVersion> {
    let net = Net::new();
    let question = ask::PluginVersions {
        root: root.to_owned(),
        bin_dir: bin_dir.to_owned(),
        only: None,
        timeout_ms: 2000,
    };
    net.probe().ask(&question).plugins
}

/// A program that lives until it is dropped.
struct Running(Child);

impl Running {
    /// `program 3600`, with these as its standard streams: sockets that are no other process's then.
    fn within(net: &Net, program: &Path, streams: [OwnedFd; 3]) -> Running {
        let [stdin, stdout, stderr] = streams;
        let mut command = Command::new(program);
        command
            .arg("3600")
            .stdin(stdin)
            .stdout(stdout)
            .stderr(stderr);
        Running(net.within(|| command.spawn()).unwrap())
    }

    fn idle(net: &Net, program: &Path) -> Running {
        let null = || OwnedFd::from(fs::File::open("/dev/null").unwrap());
        Running::within(net, program, [null(), null(), null()])
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A copy of `sleep` under another name.
fn sleeper(dir: &Path, name: &str) -> std::path::PathBuf {
    let sleep = ["/bin/sleep", "/usr/bin/sleep"]
        .into_iter()
        .find(|path| Path::new(path).exists())
        .unwrap();
    let copy = dir.join(name);
    // coreutils may be one program that goes by its first argument's name; a copy of it would not sleep then.
    fs::copy(fs::canonicalize(sleep).unwrap(), &copy).unwrap();
    copy
}

fn script(dir: &Path, name: &str, text: &str) {
    let path = dir.join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

net_tests! {
    fn bound_sockets_are_those_that_ss_shows() {
        let (net, dir) = (Net::new(), tempfile::tempdir().unwrap());
        let streams = net.within(|| -> [OwnedFd; 3] {[
            TcpListener::bind("127.0.0.1:2379").unwrap().into(),
            TcpListener::bind("[::]:2380").unwrap().into(),
            UdpSocket::bind("0.0.0.0:5353").unwrap().into(),
        ]});
        let etcd = Running::within(&net, &sleeper(dir.path(), "etcd"), streams);
        net.run("ip link add vx0 type vxlan id 1 dstport 8472 local 127.0.0.1");
        net.run("ip link set dev vx0 up");
        let seen = sockets(&mut net.probe(), &[]);
        let owner = Some(Owner { pid: etcd.0.id(), program: "etcd".to_owned() });
        for (protocol, local, owner) in [
            (Protocol::Tcp, "127.0.0.1:2379", &owner),
            (Protocol::Tcp, "[::]:2380", &owner),
            (Protocol::Udp, "0.0.0.0:5353", &owner),
            (Protocol::Udp, "0.0.0.0:8472", &None),
        ] {
            let found = seen.bound.iter().find(|socket| socket.protocol == protocol && socket.local.to_string() == local);
            assert_eq!(found.map(|socket| &socket.owner), Some(owner), "{local} in {seen:?}");
        }
        // Nothing more than ss sees, and nothing less.
        let said = net.run("ss -Hltun");
        assert_eq!(seen.bound.len(), said.lines().count(), "{seen:?}\n{said}");
    }

    fn connections_of_a_port_are_seen_from_both_ends() {
        let (net, dir) = (Net::new(), tempfile::tempdir().unwrap());
        let (listener, client, server, other) = net.within(|| {
            let listener = TcpListener::bind("127.0.0.1:2379").unwrap();
            let client = TcpStream::connect("127.0.0.1:2379").unwrap();
            let (server, _) = listener.accept().unwrap();
            let other = TcpListener::bind("127.0.0.1:9").unwrap();
            (listener, client, server, TcpStream::connect(other.local_addr().unwrap()).unwrap())
        });
        let from = client.local_addr().unwrap();
        let null = || OwnedFd::from(fs::File::open("/dev/null").unwrap());
        let etcd = Running::within(&net, &sleeper(dir.path(), "etcd"), [listener.into(), server.into(), null()]);
        let api = Running::within(&net, &sleeper(dir.path(), "kube-apiserver"), [client.into(), other.into(), null()]);
        let seen = sockets(&mut net.probe(), &[2379]);
        let ends: Vec<(String, String, Option<Owner>)> =
            seen.connections.iter().map(|c| (c.local.to_string(), c.remote.to_string(), c.owner.clone())).collect();
        let at = "127.0.0.1:2379".to_owned();
        let process = |running: &Running, program: &str| Some(Owner { pid: running.0.id(), program: program.to_owned() });
        assert_eq!(ends, [
            (at.clone(), from.to_string(), process(&etcd, "etcd")),
            (from.to_string(), at, process(&api, "kube-apiserver")),
        ]);
    }

    fn processes_are_those_of_this_namespace_with_their_whole_name() {
        let (net, other, dir) = (Net::new(), Net::new(), tempfile::tempdir().unwrap());
        // Longer than what /proc/PID/comm holds.
        let manager = sleeper(dir.path(), "kube-controller-manager");
        let (here, _there) = (Running::idle(&net, &manager), Running::idle(&other, &manager));
        let found = processes(&mut net.probe(), &["kube-controller-manager", "kubelet"]);
        assert_eq!(found, [NodeProcess {
            pid: here.0.id(),
            program: "kube-controller-manager".to_owned(),
            argv: vec![manager.display().to_string(), "3600".to_owned()],
        }]);
        assert_eq!(processes(&mut net.probe(), &["kube-controller"]), []);
    }

    fn a_namespace_is_seen_from_outside_as_ip_sees_it_from_inside() {
        let (node, pod, dir) = (Net::new(), Net::new(), tempfile::tempdir().unwrap());
        node.join("veth1", &["10.244.1.1/24", "fd44:1::1/64"], &pod, "eth0", &["10.244.1.7/24", "fd44:1::7/64"]);
        pod.run("ip route add default via 10.244.1.1");
        pod.run("ip -6 route add default via fd44:1::1");
        pod.run("ip route add blackhole 10.99.0.0/16");
        let program = Running::idle(&pod, &sleeper(dir.path(), "pause"));
        let seen = namespaces(&mut node.probe());
        let seen = seen.iter().find(|namespace| namespace.pid == program.0.id()).unwrap_or_else(|| panic!("{seen:?}"));
        let mut addresses: Vec<String> = seen.addresses.iter().map(ToString::to_string).collect();
        addresses.sort();
        assert_eq!(addresses, ["10.244.1.7", "fd44:1::7"]);
        let told: Vec<Value> = ["ip -j route show type unicast", "ip -j -6 route show type unicast"]
            .iter()
            .flat_map(|line| serde_json::from_str::<Vec<Value>>(&pod.run(line)).unwrap())
            .collect();
        let mut expected: Vec<(String, Option<String>)> = told
            .iter()
            .map(|route| {
                let dst = route["dst"].as_str().unwrap();
                let gateway = route["gateway"].as_str().map(str::to_owned);
                let any = if gateway.as_deref().is_some_and(|gateway| gateway.contains(':')) { "::/0" } else { "0.0.0.0/0" };
                (if dst == "default" { any.to_owned() } else { dst.to_owned() }, gateway)
            })
            .collect();
        let mut routes: Vec<(String, Option<String>)> =
            seen.routes.iter().map(|route| (route.dst.to_string(), route.gateway.map(|gateway| gateway.to_string()))).collect();
        expected.sort();
        routes.sort();
        assert_eq!(routes, expected);
        // Its sysfs is that of the test's own namespace, since it has no mount namespace of its own: no interface is looked for.
    }

    fn plugins_say_their_versions_and_everything_else_says_why_not() {
        let dir = tempfile::tempdir().unwrap();
        let bin = dir.path();
        script(bin, "good", "#!/bin/sh\nif [ -z \"$CNI_COMMAND\" ]; then echo 'CNI good plugin v1.2.3' >&2; exit 0; fi\n[ \"$CNI_COMMAND\" = VERSION ] || exit 9\ncat >/dev/null\necho '{\"cniVersion\":\"1.1.0\",\"supportedVersions\":[\"0.4.0\",\"1.0.0\"]}'\n");
        script(bin, "refuses", "#!/bin/sh\necho '{\"cniVersion\":\"1.0.0\",\"code\":4,\"msg\":\"no such luck\"}'\nexit 1\n");
        script(bin, "crashes", "#!/bin/sh\necho 'out of cheese' >&2\nkill -SEGV $$\n");
        script(bin, "chatters", "#!/bin/sh\necho hello\n");
        script(bin, "hangs", "#!/bin/sh\nsleep 3600\n");
        script(bin, "floods", "#!/bin/sh\nwhile echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; do :; done\n");
        fs::write(bin.join("not-a-program"), "echo hello\n").unwrap();
        fs::set_permissions(bin.join("not-a-program"), fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(bin.join("README.md"), "text").unwrap();
        fs::create_dir(bin.join("folder")).unwrap();
        let found = plugins("", &bin.display().to_string());
        let names: Vec<&str> = found.iter().map(|plugin| plugin.name.as_str()).collect();
        assert_eq!(names, ["chatters", "crashes", "floods", "good", "hangs", "not-a-program", "refuses"]);
        let of = |name: &str| found.iter().find(|plugin| plugin.name == name).unwrap();
        let good = of("good");
        assert_eq!(good.about.as_deref(), Some("CNI good plugin v1.2.3"));
        let versions = good.versions.as_ref().unwrap();
        assert_eq!((versions.cni_version.as_str(), versions.supported_versions.join(" ")), ("1.1.0", "0.4.0 1.0.0".to_owned()));
        for (name, said) in [
            ("refuses", "no such luck"),
            ("crashes", "out of cheese"),
            ("chatters", "its answer is not a version result"),
            ("hangs", "it did not end within 2s"),
            ("floods", ""),
            ("not-a-program", "it is neither an ELF program nor a script"),
        ] {
            let plugin = of(name);
            let why = plugin.versions.as_ref().unwrap_err();
            assert!(why.contains(said) && plugin.about.is_none(), "{name}: {why}");
        }
        assert!(of("crashes").versions.as_ref().unwrap_err().contains("signal: 11"));
        assert_eq!(plugins("", &bin.join("absent").display().to_string()), []);
    }

    fn a_hanging_plugin_takes_its_children_with_it() {
        let dir = tempfile::tempdir().unwrap();
        let told = dir.path().join("pid");
        script(dir.path(), "hangs", &format!("#!/bin/sh\nsleep 3600 &\necho $! > {}\nwait\n", told.display()));
        let found = plugins("", &dir.path().display().to_string());
        assert!(found[0].versions.is_err());
        let child = fs::read_to_string(&told).unwrap();
        let state = fs::read_to_string(format!("/proc/{}/stat", child.trim()));
        // Gone, or not yet reaped by the process that inherits it.
        assert!(state.as_ref().map_or(true, |stat| stat.contains(") Z ")), "{state:?}");
    }

    fn files_and_folders_are_read_below_their_root() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        fs::create_dir_all(root.join("etc/cni/net.d/sub")).unwrap();
        fs::create_dir_all(root.join("run")).unwrap();
        fs::create_dir_all(root.join("var")).unwrap();
        fs::write(root.join("etc/cni/net.d/10-a.conf"), "a").unwrap();
        fs::write(root.join("etc/cni/net.d/05-b.conf"), "b").unwrap();
        fs::write(root.join("run/x.env"), "inside").unwrap();
        fs::write(root.join("long"), vec![b'x'; 64 * 1024 + 1]).unwrap();
        fs::write(root.join("binary"), b"\xff\xfe").unwrap();
        nix::unistd::mkfifo(&root.join("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        // Absolute, as /var/run is on many nodes: below the root it leads into the root.
        symlink("/run", root.join("var/run")).unwrap();
        symlink("/loop", root.join("loop")).unwrap();
        let text = |text: &str| FileContent::Text(text.to_owned());
        let found = files(root, &[
            "/etc/cni/net.d/*", "/etc/cni/net.d", "/var/run/x.env", "/../../run/x.env", "/nothing", "/nothing/*", "/long/x", "/fifo", "/binary", "/long", "/loop",
        ]);
        let expected = [
            ("/etc/cni/net.d/05-b.conf", text("b")),
            ("/etc/cni/net.d/10-a.conf", text("a")),
            ("/etc/cni/net.d", FileContent::Folder(["05-b.conf", "10-a.conf", "sub"].map(str::to_owned).to_vec())),
            ("/var/run/x.env", text("inside")),
            ("/../../run/x.env", text("inside")),
            ("/nothing", FileContent::Absent),
            ("/nothing", FileContent::Absent),
            ("/long/x", FileContent::Absent),
            ("/fifo", FileContent::Unreadable("not a regular file".to_owned())),
            ("/binary", FileContent::Unreadable("not UTF-8 text".to_owned())),
            ("/long", FileContent::Unreadable("longer than 64 KiB (65537 bytes)".to_owned())),
            ("/loop", FileContent::Unreadable("too many symbolic links encountered".to_owned())),
        ];
        assert_eq!(found, expected.map(|(path, content)| (path.to_owned(), content)));
    }
}
