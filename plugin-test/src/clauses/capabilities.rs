//! K: what a runtime asks for in runtimeConfig (CONVENTIONS), where the plugin says that it honours it.
use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::thread;
use std::time::{Duration, Instant};

use flatnet_netlink::netns;
use serde_json::{Value, json};

use super::result;
use crate::bench::{Added, Bed, Stop};
use crate::clause::{Clause, Level};
use crate::ledger::NAMESPACES;

macro_rules! capability {
    ($id:literal, $name:literal, $words:literal, $tried:literal, $run:ident) => {
        Clause {
            id: $id,
            section: concat!("CONVENTIONS, capability ", $name),
            level: Level::Should,
            since: "0.3",
            words: $words,
            tried: $tried,
            run: $run,
        }
    };
}

pub(super) const CLAUSES: &[Clause] = &[
    capability!(
        "K1",
        "portMappings",
        "a mapped port of the node leads to the container",
        "a TCP connection from another namespace to the node's port reaches a listener in the container",
        port_mappings
    ),
    capability!(
        "K2",
        "ips",
        "the addresses that are asked for are assigned",
        "ADD with runtimeConfig.ips: the result has that address",
        ips
    ),
    capability!(
        "K3",
        "mac",
        "the interface has the MAC that is asked for",
        "ADD with runtimeConfig.mac: the kernel has it on the interface",
        mac
    ),
    capability!(
        "K4",
        "bandwidth",
        "traffic is limited to the rate that is asked for",
        "1.5 MB sent into the container at 8 Mbit/s: within 30 % of the time that takes",
        bandwidth
    ),
    capability!(
        "K5",
        "ipRanges",
        "addresses come from the ranges that are asked for",
        "ADD with runtimeConfig.ipRanges: the address is in the range",
        ip_ranges
    ),
    capability!(
        "K6",
        "dns",
        "the DNS configuration that is asked for is in the result",
        "ADD with runtimeConfig.dns: dns.servers of the result holds the server",
        dns
    ),
];

fn declared(bed: &Bed, name: &str) -> Result<(), Stop> {
    let recipe = &bed.subject.recipe;
    let declares = recipe.capabilities.iter().any(|one| one == name)
        || recipe.conf["capabilities"][name] == true;
    match declares {
        true => Ok(()),
        false => Err(Stop::NotApplicable(format!(
            "neither its configuration nor its type declares capability {name}"
        ))),
    }
}

fn asked(bed: &mut Bed, name: &str, value: Value) -> Result<Added, Stop> {
    declared(bed, name)?;
    let pod = bed.pod()?;
    let mut request = bed
        .request("ADD", &pod)
        .with_key("capabilities", json!({name: true}))
        .with_key("runtimeConfig", json!({name: value}));
    if bed.subject.recipe.kind != crate::subject::Kind::Chained && name == "ips" {
        // Addresses that are asked for replace those of the configuration.
        let mut ipam = request.conf()["ipam"].clone();
        if let Some(object) = ipam.as_object_mut() {
            object.remove("addresses");
        }
        request = request.with_key("ipam", ipam);
    }
    let result = bed.added(request)?;
    Ok(Added { pod, result })
}

fn ips(bed: &mut Bed) -> Result<String, Stop> {
    let added = asked(bed, "ips", json!(["10.89.0.77/24"]))?;
    let has = result::strings(&added.result, "ips", "address")
        .any(|address| address.starts_with("10.89.0.77/"));
    if !has {
        bed.fail(format!(
            "10.89.0.77 was asked for, and ips are {}",
            added.result["ips"]
        ));
    }
    Ok("10.89.0.77".to_owned())
}

fn ip_ranges(bed: &mut Bed) -> Result<String, Stop> {
    let added = asked(bed, "ipRanges", json!([[{"subnet": "10.91.0.0/24"}]]))?;
    let has = result::strings(&added.result, "ips", "address")
        .any(|address| address.starts_with("10.91.0."));
    if !has {
        bed.fail(format!(
            "an address of 10.91.0.0/24 was asked for, and ips are {}",
            added.result["ips"]
        ));
    }
    Ok(result::strings(&added.result, "ips", "address")
        .collect::<Vec<_>>()
        .join(", "))
}

fn mac(bed: &mut Bed) -> Result<String, Stop> {
    let added = asked(bed, "mac", json!("02:11:22:33:44:55"))?;
    let ledger = bed.ledger()?;
    let ifname = bed.subject.recipe.ifname.clone();
    let words = ledger
        .of(&added.pod.id, "link")
        .find(|(name, _)| *name == ifname)
        .map(|(_, words)| words.to_owned())
        .unwrap_or_default();
    if !words.contains("02:11:22:33:44:55") {
        bed.fail(format!(
            "mac 02:11:22:33:44:55 was asked for, and {ifname} is {words}"
        ));
    }
    Ok(format!("{ifname} {words}"))
}

fn dns(bed: &mut Bed) -> Result<String, Stop> {
    let added = asked(
        bed,
        "dns",
        json!({"servers": ["10.96.0.10"], "searches": ["example.org"]}),
    )?;
    let servers = &added.result["dns"]["nameservers"];
    if !servers.to_string().contains("10.96.0.10") {
        bed.fail(format!(
            "nameserver 10.96.0.10 was asked for, and dns.nameservers is {servers}"
        ));
    }
    Ok(servers.to_string())
}

/// Runs `work` in a namespace.
fn within<T: Send>(name: &str, work: impl FnOnce() -> T + Send) -> Result<T, Stop> {
    let file = File::open(format!("{NAMESPACES}/{name}"))
        .map_err(|e| Stop::Broken(format!("open namespace {name}: {e}")))?;
    netns::within(file.as_fd(), work).map_err(|e| Stop::Broken(e.to_string()))
}

fn address_of(added: &Added) -> Result<SocketAddr, Stop> {
    let address = result::strings(&added.result, "ips", "address")
        .next()
        .and_then(|text| text.split('/').next()?.parse().ok());
    let ip = address.ok_or_else(|| Stop::Broken("the result has no address".to_owned()))?;
    Ok(SocketAddr::new(ip, 8080))
}

fn port_mappings(bed: &mut Bed) -> Result<String, Stop> {
    const LIMIT: Duration = Duration::from_secs(2);
    let mapping = json!([{"hostPort": 18080, "containerPort": 8080, "protocol": "tcp"}]);
    let added = asked(bed, "portMappings", mapping)?;
    bed.shell(
        "ip netns add client; ip link add client0 type veth peer name eth0 netns client; ip addr add 10.87.0.1/24 dev client0; ip link set client0 up; \
         ip -n client addr add 10.87.0.2/24 dev eth0; ip -n client link set eth0 up; ip -n client route add default via 10.87.0.1; echo 1 >/proc/sys/net/ipv4/ip_forward",
    )?;
    let address = address_of(&added)?;
    let broken = |e: std::io::Error| Stop::Broken(format!("listen in the container: {e}"));
    let listener = within(&added.pod.id, || TcpListener::bind(address))?.map_err(broken)?;
    listener.set_nonblocking(true).map_err(broken)?;
    let target = SocketAddr::from(([10, 87, 0, 1], 18080));
    let connected = within("client", || TcpStream::connect_timeout(&target, LIMIT))?;
    let accepted = listener.accept();
    match (connected, accepted) {
        (Ok(_), Ok((_, peer))) => Ok(format!(
            "port 18080 of the node leads to the container; it sees {}",
            peer.ip()
        )),
        (Err(error), _) => {
            bed.fail(format!("port 18080 of the node was mapped to 8080 of the container, and a connection to it fails: {error}"));
            Err(Stop::Found)
        }
        (_, Err(error)) => {
            bed.fail(format!(
                "port 18080 of the node answers, and the container sees no connection: {error}"
            ));
            Err(Stop::Found)
        }
    }
}

fn bandwidth(bed: &mut Bed) -> Result<String, Stop> {
    const RATE: u32 = 8_000_000;
    const BURST: u32 = 800_000;
    const BYTES: usize = 1_500_000;
    let rates = json!({"ingressRate": RATE, "ingressBurst": BURST, "egressRate": RATE, "egressBurst": BURST});
    let added = asked(bed, "bandwidth", rates)?;
    let address = address_of(&added)?;
    let broken = |e: std::io::Error| Stop::Broken(format!("send into the container: {e}"));
    let listener = within(&added.pod.id, || TcpListener::bind(address))?.map_err(broken)?;
    let reader = thread::spawn(move || {
        let (mut stream, _) = listener.accept()?;
        let mut buffer = vec![0; 64 << 10];
        let (mut total, started) = (0, Instant::now());
        loop {
            match stream.read(&mut buffer)? {
                0 => return Ok::<_, std::io::Error>((total, started.elapsed())),
                bytes => total += bytes,
            }
        }
    });
    let mut stream =
        TcpStream::connect_timeout(&address, Duration::from_secs(5)).map_err(broken)?;
    stream.write_all(&vec![7; BYTES]).map_err(broken)?;
    drop(stream);
    let read = reader
        .join()
        .map_err(|_| Stop::Broken("the reader panicked".to_owned()))?;
    let (total, took) = read.map_err(broken)?;
    let bits = u32::try_from(total * 8).unwrap_or(u32::MAX);
    let least = f64::from(bits.saturating_sub(BURST)) / f64::from(RATE);
    let seconds = took.as_secs_f64();
    if seconds < least * 0.7 || seconds > least * 1.3 + 0.3 {
        bed.fail(format!(
            "{total} bytes at {RATE} bit/s take {least:.2} s, and took {seconds:.2} s"
        ));
    }
    Ok(format!(
        "{total} bytes in {seconds:.2} s, {least:.2} s expected"
    ))
}
