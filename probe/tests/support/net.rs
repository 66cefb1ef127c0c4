//! Network namespaces.
use std::fs::File;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, setns, unshare};
use nix::unistd::{ForkResult, fork};

use super::{Probe, ProbeProcess};

/// A network namespace, with `lo` up.
pub(crate) struct Net(File);

impl Net {
    pub(crate) fn new() -> Self {
        let file = std::thread::spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET).unwrap();
            File::open("/proc/thread-self/ns/net").unwrap()
        });
        let net = Net(file.join().unwrap());
        // No duplicate address detection: an address can be used at once.
        net.sysctl("ipv6/conf/default/accept_dad", "0");
        net.sysctl("ipv6/conf/all/accept_dad", "0");
        net.run("ip link set lo up");
        net
    }

    /// `a` and `b`, 10.9.3.1 and 10.9.3.2 on eth0, on ports `port-a` and `port-b` of the bridge br0 between them.
    pub(crate) fn switched() -> (Net, Net, Net) {
        let (a, switch, b) = (Net::new(), Net::new(), Net::new());
        a.join("eth0", &["10.9.3.1/24"], &switch, "port-a", &[]);
        b.join("eth0", &["10.9.3.2/24"], &switch, "port-b", &[]);
        switch.run("ip link add br0 type bridge");
        for port in ["port-a", "port-b"] {
            switch.run(&format!("ip link set dev {port} master br0"));
        }
        switch.run("ip link set dev br0 up");
        (a, switch, b)
    }

    /// `a` and `b`, 10.9.4.1 and 10.9.4.2 (fd09:4::1 and ::2) on vx0, a VXLAN of that VNI and UDP port over their `under`.
    pub(crate) fn tunnelled(vni: u32, port: u16) -> (Net, Net) {
        let (a, b) = (Net::new(), Net::new());
        a.join("under", &["192.0.2.1/24"], &b, "under", &["192.0.2.2/24"]);
        for (net, local, remote) in [(&a, 1, 2), (&b, 2, 1)] {
            net.run(&format!(
                "ip link add vx0 type vxlan id {vni} dstport {port} local 192.0.2.{local} remote 192.0.2.{remote} dev under"
            ));
            net.run(&format!("ip addr add 10.9.4.{local}/24 dev vx0"));
            net.run(&format!("ip addr add fd09:4::{local}/64 dev vx0"));
            net.run("ip link set dev vx0 up");
        }
        (a, b)
    }

    /// `a` 10.9.1.1 — router 10.9.1.254, 10.9.2.254 — `b` 10.9.2.2; likewise fd09:1::1, ::fe, fd09:2::2.
    pub(crate) fn routed() -> (Net, Net, Net) {
        let (a, r, b) = (Net::new(), Net::new(), Net::new());
        for (net, n, host, port) in [(&a, 1, 1, "to-a"), (&b, 2, 2, "to-b")] {
            let own = [
                format!("10.9.{n}.{host}/24"),
                format!("fd09:{n}::{host}/64"),
            ];
            let router = [format!("10.9.{n}.254/24"), format!("fd09:{n}::fe/64")];
            net.join(
                "eth0",
                &own.each_ref().map(String::as_str),
                &r,
                port,
                &router.each_ref().map(String::as_str),
            );
            net.run(&format!("ip route add default via 10.9.{n}.254"));
            net.run(&format!("ip route add default via fd09:{n}::fe"));
        }
        r.sysctl("ipv4/ip_forward", "1");
        r.sysctl("ipv6/conf/all/forwarding", "1");
        (a, r, b)
    }

    /// Runs `work` on a thread inside.
    pub(crate) fn within<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                setns(&self.0, CloneFlags::CLONE_NEWNET).unwrap();
                work()
            });
            thread.join().unwrap()
        })
    }

    /// Runs a command line (split at spaces) inside and returns its output.
    #[track_caller]
    pub(crate) fn run(&self, line: &str) -> String {
        let mut words = line.split_whitespace();
        let mut command = Command::new(words.next().unwrap());
        let output = self
            .within(|| command.args(words).output())
            .unwrap_or_else(|error| panic!("{line}: {error}"));
        assert!(
            output.status.success(),
            "{line}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    /// Loads nftables rules.
    #[track_caller]
    pub(crate) fn nft(&self, rules: &str) {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(rules.as_bytes()).unwrap();
        self.run(&format!("nft -f {}", file.path().display()));
    }

    /// The handle of the rule that `nft -a` lists with these words.
    #[track_caller]
    pub(crate) fn rule_handle(&self, family: &str, words: &str) -> u64 {
        let listing = self.run(&format!("nft -a list ruleset {family}"));
        let line = listing.lines().find(|line| line.contains(words));
        let (_, handle) = line.expect(&listing).split_once("# handle ").unwrap();
        handle.trim().parse().unwrap()
    }

    pub(crate) fn sysctl(&self, key: &str, value: &str) {
        self.within(|| std::fs::write(format!("/proc/sys/net/{key}"), value))
            .unwrap_or_else(|error| panic!("{key}: {error}"));
    }

    /// Where other programs find it.
    pub(crate) fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.0.as_raw_fd())
    }

    /// A veth pair from here to there, both ends up, each with its addresses.
    #[track_caller]
    pub(crate) fn join(
        &self,
        name: &str,
        addresses: &[&str],
        other: &Net,
        other_name: &str,
        other_addresses: &[&str],
    ) {
        self.run(&format!(
            "ip link add {name} type veth peer name {other_name} netns {}",
            other.path()
        ));
        for (net, name, addresses) in [
            (self, name, addresses),
            (other, other_name, other_addresses),
        ] {
            for address in addresses {
                net.run(&format!("ip addr add {address} dev {name}"));
            }
        }
        self.run(&format!("ip link set dev {name} up"));
        other.run(&format!("ip link set dev {other_name} up"));
        for (net, name) in [(self, name), (other, other_name)] {
            net.await_up(name);
        }
    }

    /// The kernel gives a link its queue a moment after its carrier, and makes an IPv6 address valid a moment after
    /// that; what is sent before is lost.
    fn await_up(&self, name: &str) {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let link = self.run(&format!("ip addr show dev {name}"));
            if link.contains("state UP") && !link.contains("tentative") {
                return;
            }
            assert!(Instant::now() < deadline, "{name} does not come up: {link}");
        }
    }

    /// A probe inside.
    pub(crate) fn probe(&self) -> Probe {
        self.probe_after(|| {})
    }

    /// A probe inside that is a process of its own, and can be killed.
    pub(crate) fn probe_process(&self) -> ProbeProcess {
        let (input, to) = std::io::pipe().unwrap();
        let (from, output) = std::io::pipe().unwrap();
        let forked = self.within(|| {
            // SAFETY: the child uses memory, files and threads of its own; the C library makes its allocator usable there.
            match unsafe { fork() }.unwrap() {
                ForkResult::Parent { child } => child,
                ForkResult::Child => {
                    let ended = flatnet_probe::run(&input, &output);
                    // SAFETY: ends the process at once, without what belongs to the parent's threads.
                    unsafe { nix::libc::_exit(i32::from(ended.is_err())) }
                }
            }
        });
        ProbeProcess::new(forked, to, from)
    }

    /// A probe inside, whose thread first does `prepare`.
    pub(crate) fn probe_after(&self, prepare: impl FnOnce() + Send + 'static) -> Probe {
        let (input, to) = std::io::pipe().unwrap();
        let (from, output) = std::io::pipe().unwrap();
        let ns = self.0.try_clone().unwrap();
        let thread = std::thread::spawn(move || {
            setns(ns, CloneFlags::CLONE_NEWNET).unwrap();
            prepare();
            flatnet_probe::run(input, output)
        });
        Probe::new(to, from, thread)
    }
}

/// A tun device; it has a carrier for as long as the file is open.
pub(crate) fn tun(name: &str) -> File {
    let file = File::options()
        .read(true)
        .write(true)
        .open("/dev/net/tun")
        .unwrap_or_else(|error| {
            panic!("/dev/net/tun, which most systems let everyone open: {error}")
        });
    let mut request = [0_u8; 40];
    request[..name.len()].copy_from_slice(name.as_bytes());
    let flags = (nix::libc::IFF_TUN | nix::libc::IFF_NO_PI) as u16;
    request[16..18].copy_from_slice(&flags.to_ne_bytes());
    // SAFETY: the request is as long as a struct ifreq, and lives through the call.
    let done =
        unsafe { nix::libc::ioctl(file.as_raw_fd(), nix::libc::TUNSETIFF, &raw mut request) };
    assert_eq!(done, 0, "{}", std::io::Error::last_os_error());
    file
}
