//! The filter in the kernel (classic BPF, socket(7)): keeps most of what is not wanted away from this process, and hands out no more
//! of a frame than is read. What it lets pass is looked at again.
//!
//! It reads from the network header on ([`NETWORK`]), wherever a device's frames have theirs.
use std::collections::BTreeSet;

use nix::libc;
use socket2::SockFilter;

use super::packet::ethertype;

/// Bytes of a frame: headers of a tunnel in a tunnel with an ICMP error that quotes as much come to 300.
pub(super) const FRAME_BYTES: u32 = 512;

/// More ports than this are not filtered by: the program would be too long.
const MOST_PORTS: usize = 400;

const NETWORK: u32 = libc::SKF_NET_OFF as u32;
const PROTOCOL: u32 = (libc::SKF_AD_OFF + libc::SKF_AD_PROTOCOL) as u32;

const LOAD_HALF: u32 = libc::BPF_LD | libc::BPF_H | libc::BPF_ABS;
const LOAD_BYTE: u32 = libc::BPF_LD | libc::BPF_B | libc::BPF_ABS;
const LOAD_WORD_AT_X: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_IND;
const LOAD_HALF_AT_X: u32 = libc::BPF_LD | libc::BPF_H | libc::BPF_IND;
const X_NUMBER: u32 = libc::BPF_LDX | libc::BPF_IMM;
const X_HEADER_LENGTH: u32 = libc::BPF_LDX | libc::BPF_B | libc::BPF_MSH;
const JUMP_EQUAL: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
const JUMP_BITS: u32 = libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K;
const AND: u32 = libc::BPF_ALU | libc::BPF_AND | libc::BPF_K;
const SHIFT_LEFT: u32 = libc::BPF_ALU | libc::BPF_LSH | libc::BPF_K;
const ADD: u32 = libc::BPF_ALU | libc::BPF_ADD | libc::BPF_K;
const ADD_X: u32 = libc::BPF_ALU | libc::BPF_ADD | libc::BPF_X;
const X_TO_A: u32 = libc::BPF_MISC | libc::BPF_TXA;
const A_TO_X: u32 = libc::BPF_MISC | libc::BPF_TAX;
const STORE: u32 = libc::BPF_ST;
const LOAD_STORED: u32 = libc::BPF_LD | libc::BPF_MEM;
const LOAD_BYTE_AT_X: u32 = libc::BPF_LD | libc::BPF_B | libc::BPF_IND;
const RETURN: u32 = libc::BPF_RET | libc::BPF_K;

const ICMP: u32 = 1;
const IPV4: u32 = 4;
const TCP: u32 = 6;
const UDP: u32 = 17;
const IPV6: u32 = 41;
const ICMPV6: u32 = 58;
const ECHO: [u32; 2] = [8, 0];
const ECHO_V6: [u32; 2] = [128, 129];
const MAGIC: u32 = u32::from_be_bytes(*b"fnp1");
const VXLAN_FLAGS: u32 = 0x0800_0000;

/// Places in the program that are jumped to.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    V4,
    V6,
    Icmp,
    IcmpV6,
    Echo,
    Ports,
    Vxlan,
    InnerPorts,
}

#[derive(Default)]
struct Program {
    instructions: Vec<(u32, u8, u32)>,
    jumps: Vec<(usize, Place)>,
    places: Vec<(Place, usize)>,
    /// Jumps over so many instructions where the comparison holds.
    skips: Vec<(usize, u8)>,
}

impl Program {
    fn add(&mut self, code: u32, k: u32) -> &mut Self {
        self.instructions.push((code, 0, k));
        self
    }

    fn place(&mut self, place: Place) -> &mut Self {
        self.places.push((place, self.instructions.len()));
        self
    }

    fn jump_if(&mut self, value: u32, to: Place) -> &mut Self {
        self.jumps.push((self.instructions.len(), to));
        self.add(JUMP_EQUAL, value)
    }

    /// Takes the frame if the value is this.
    fn take_if(&mut self, value: u32) -> &mut Self {
        // Skips the return where it is not.
        self.instructions.push((JUMP_EQUAL, 1, value));
        self.add(RETURN, FRAME_BYTES)
    }

    /// Takes the frame if the value is another.
    fn take_unless(&mut self, value: u32) {
        self.skips.push((self.instructions.len(), 1));
        self.add(JUMP_EQUAL, value).add(RETURN, FRAME_BYTES);
    }

    /// Takes segments and datagrams of the ports. Goes on with datagrams only: a quoted one may have no more than its header.
    fn take_ports(&mut self, ports: &BTreeSet<u16>) {
        for offset in [0, 2] {
            self.add(LOAD_HALF_AT_X, NETWORK + offset);
            for port in ports {
                self.take_if(u32::from(*port));
            }
        }
        self.add(LOAD_STORED, 0);
        self.skips.push((self.instructions.len(), 1));
        self.add(JUMP_EQUAL, UDP).refuse();
    }

    fn refuse(&mut self) -> &mut Self {
        self.add(RETURN, 0)
    }

    fn finish(self) -> Vec<SockFilter> {
        let target = |at: usize| {
            if let Some((_, over)) = self.skips.iter().find(|(from, _)| *from == at) {
                return Some(*over);
            }
            let (_, place) = self.jumps.iter().find(|(from, _)| *from == at)?;
            let (_, to) = self.places.iter().find(|(name, _)| name == place)?;
            Some((to - at - 1) as u8)
        };
        let instructions = self.instructions.iter().enumerate();
        instructions
            .map(|(at, (code, otherwise, k))| {
                SockFilter::new(*code as u16, target(at).unwrap_or(0), *otherwise, *k)
            })
            .collect()
    }
}

/// The filter for probes' messages and these ports; `None` where it would be too long.
pub(super) fn program(ports: &BTreeSet<u16>) -> Option<Vec<SockFilter>> {
    if ports.len() > MOST_PORTS {
        return None;
    }
    let mut program = Program::default();
    program
        .add(LOAD_HALF, PROTOCOL)
        .take_if(ethertype::ARP.into())
        .take_if(ethertype::VLAN.into())
        .take_if(ethertype::SERVICE_VLAN.into())
        .jump_if(ethertype::IPV4.into(), Place::V4)
        .jump_if(ethertype::IPV6.into(), Place::V6)
        .refuse();
    // X: where the transport's header begins, from the network header. Stored: its protocol.
    program
        .place(Place::V6)
        .add(X_NUMBER, 40)
        .add(LOAD_BYTE, NETWORK + 6)
        .add(STORE, 0)
        .jump_if(TCP, Place::Ports)
        .jump_if(UDP, Place::Ports)
        .jump_if(ICMPV6, Place::IcmpV6)
        // Extension headers, tunnels.
        .add(RETURN, FRAME_BYTES);
    program.place(Place::V4).add(LOAD_HALF, NETWORK + 6);
    // A later fragment.
    program.instructions.push((JUMP_BITS, 1, 0x1fff));
    program
        .refuse()
        .add(X_HEADER_LENGTH, NETWORK)
        .add(LOAD_BYTE, NETWORK + 9)
        .add(STORE, 0)
        .jump_if(TCP, Place::Ports)
        .jump_if(UDP, Place::Ports)
        .jump_if(ICMP, Place::Icmp)
        .take_if(IPV4)
        .take_if(IPV6)
        .refuse();
    // Errors and neighbour discovery are few.
    program
        .place(Place::IcmpV6)
        .add(LOAD_BYTE_AT_X, NETWORK)
        .jump_if(ECHO_V6[0], Place::Echo)
        .jump_if(ECHO_V6[1], Place::Echo)
        .add(RETURN, FRAME_BYTES);
    // What an error quotes is looked at as if it were the packet.
    program
        .place(Place::Icmp)
        .add(LOAD_BYTE_AT_X, NETWORK)
        .jump_if(ECHO[0], Place::Echo)
        .jump_if(ECHO[1], Place::Echo)
        .add(LOAD_BYTE_AT_X, NETWORK + 8)
        .add(AND, 0xf)
        .add(SHIFT_LEFT, 2)
        .add(ADD_X, 0)
        .add(ADD, 8)
        .add(STORE, 1)
        .add(LOAD_BYTE_AT_X, NETWORK + 8 + 9)
        .add(STORE, 0)
        .take_if(ICMP)
        .take_if(IPV4)
        .take_if(IPV6)
        .add(LOAD_STORED, 1)
        .add(A_TO_X, 0)
        .add(LOAD_STORED, 0)
        .jump_if(TCP, Place::Ports)
        .jump_if(UDP, Place::Ports)
        .refuse();
    program
        .place(Place::Echo)
        .add(LOAD_WORD_AT_X, NETWORK + 8)
        .take_if(MAGIC)
        .refuse();
    program.place(Place::Ports).take_ports(ports);
    program
        .add(LOAD_WORD_AT_X, NETWORK + 8)
        .take_if(MAGIC)
        .jump_if(VXLAN_FLAGS, Place::Vxlan)
        .refuse();
    // Behind 8 bytes of UDP and 8 of VXLAN an Ethernet header of 14, and in most cases an IPv4 header of 20.
    program
        .place(Place::Vxlan)
        .add(LOAD_HALF_AT_X, NETWORK + 28);
    program.take_unless(ethertype::IPV4.into());
    program.add(LOAD_BYTE_AT_X, NETWORK + 30);
    program.take_unless(0x45);
    program
        .add(LOAD_BYTE_AT_X, NETWORK + 39)
        .add(STORE, 0)
        .add(X_TO_A, 0)
        .add(ADD, 50)
        .add(A_TO_X, 0)
        .add(LOAD_STORED, 0)
        .jump_if(TCP, Place::InnerPorts)
        .jump_if(UDP, Place::InnerPorts)
        .add(RETURN, FRAME_BYTES);
    program.place(Place::InnerPorts).take_ports(ports);
    program
        .add(LOAD_WORD_AT_X, NETWORK + 8)
        .take_if(MAGIC)
        .take_if(VXLAN_FLAGS)
        .refuse();
    Some(program.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_ports_still_fit_the_kernel() {
        let ports = |count: u16| (1..=count).collect::<BTreeSet<u16>>();
        let program = program(&ports(400)).unwrap();
        assert!(program.len() < 4096, "{}", program.len());
        assert!(super::program(&ports(401)).is_none());
    }
}
