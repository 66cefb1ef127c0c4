//! Samples of a tracepoint on every processor (perf_event_open(2)). They end with their descriptors.
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};

use nix::errno::Errno;
use nix::libc;

use crate::error::{Error, Result};

const TYPE_TRACEPOINT: u32 = 2;
/// struct perf_event_attr up to its clock (PERF_ATTR_SIZE_VER3).
const ATTRIBUTES: usize = 96;
const SAMPLE_TIME: u64 = 1 << 2;
const SAMPLE_RAW: u64 = 1 << 10;
/// The sample's time is that of the clock that is named, not of one that only traces know.
const USE_CLOCK: u64 = 1 << 25;
/// The kernel refuses CLOCK_REALTIME for tracepoints: it cannot be read in every context.
const CLOCK: libc::clockid_t = libc::CLOCK_MONOTONIC;
const FLAG_CLOEXEC: u64 = 8;
/// Offsets in struct perf_event_mmap_page.
const DATA_HEAD: usize = 1024;
const DATA_TAIL: usize = 1032;
const RECORD_SAMPLE: u32 = 9;
/// Type, misc, size.
const RECORD_HEADER: usize = 8;
/// Pages of samples per processor, a power of two: 2,000 samples.
const PAGES: usize = 32;

/// All processors' buffers.
pub(super) struct Samples(Vec<Ring>);

/// One processor's.
struct Ring {
    _fd: OwnedFd,
    memory: NonNull<u8>,
    page: usize,
}

// SAFETY: the mapping is this value's own, and goes with it.
unsafe impl Send for Ring {}

impl Samples {
    /// Begins. Needs CAP_PERFMON or CAP_SYS_ADMIN in the machine's first user namespace.
    pub(super) fn open(tracepoint: u64) -> Result<Self> {
        let failed = |errno: Errno| Error::system("open a perf event", errno);
        // SAFETY: asks for a number.
        let processors = unsafe { libc::sysconf(libc::_SC_NPROCESSORS_CONF) };
        let mut rings = Vec::new();
        for processor in 0..i32::try_from(processors).unwrap_or(1).max(1) {
            match open(tracepoint, processor) {
                Ok(fd) => rings.push(Ring::map(fd).map_err(failed)?),
                // It is switched off.
                Err(Errno::ENODEV) => {}
                Err(errno) => return Err(failed(errno)),
            }
        }
        Ok(Samples(rings))
    }

    /// Hands out the samples that are there, with their times in nanoseconds since 1970.
    pub(super) fn read(&mut self, mut sample: impl FnMut(u64, &[u8])) {
        let since_1970 = now(libc::CLOCK_REALTIME).wrapping_sub(now(CLOCK));
        for ring in &mut self.0 {
            ring.read(&mut |at_ns: u64, fields: &[u8]| {
                sample(at_ns.wrapping_add(since_1970), fields);
            });
        }
    }
}

fn open(tracepoint: u64, processor: i32) -> nix::Result<OwnedFd> {
    let mut attributes = [0_u8; ATTRIBUTES];
    attributes[0..4].copy_from_slice(&TYPE_TRACEPOINT.to_ne_bytes());
    attributes[4..8].copy_from_slice(&(ATTRIBUTES as u32).to_ne_bytes());
    attributes[8..16].copy_from_slice(&tracepoint.to_ne_bytes());
    // Each of them.
    attributes[16..24].copy_from_slice(&1_u64.to_ne_bytes());
    attributes[24..32].copy_from_slice(&(SAMPLE_TIME | SAMPLE_RAW).to_ne_bytes());
    attributes[40..48].copy_from_slice(&USE_CLOCK.to_ne_bytes());
    attributes[92..96].copy_from_slice(&CLOCK.to_ne_bytes());
    let (any_process, no_group) = (-1_i32, -1_i32);
    // SAFETY: the attributes live through the call, and say how long they are.
    let fd = unsafe {
        libc::syscall(
            libc::SYS_perf_event_open,
            attributes.as_ptr(),
            any_process,
            processor,
            no_group,
            FLAG_CLOEXEC,
        )
    };
    let fd = Errno::result(fd)?;
    // SAFETY: the kernel has just made it, for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

impl Ring {
    fn map(fd: OwnedFd) -> nix::Result<Self> {
        // SAFETY: asks for a number.
        let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
        let page = usize::try_from(page).unwrap_or(4096);
        let rights = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a new mapping, of no memory that is in use.
        let memory = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                page * (1 + PAGES),
                rights,
                libc::MAP_SHARED,
                fd.as_raw_fd(),
                0,
            )
        };
        if memory == libc::MAP_FAILED {
            return Err(Errno::last());
        }
        let memory = NonNull::new(memory).ok_or(Errno::ENOMEM)?;
        Ok(Ring {
            _fd: fd,
            memory: memory.cast(),
            page,
        })
    }

    /// The kernel writes the head, and no further than the tail, which is ours.
    fn read(&mut self, sample: &mut impl FnMut(u64, &[u8])) {
        let head = self.position(DATA_HEAD).load(Ordering::Acquire);
        let mut tail = self.position(DATA_TAIL).load(Ordering::Relaxed);
        while tail < head {
            let header = self.copy(tail, RECORD_HEADER);
            let (kind, size) = record(&header);
            if size < RECORD_HEADER {
                break;
            }
            if kind == RECORD_SAMPLE {
                let body = self.copy(tail + RECORD_HEADER as u64, size - RECORD_HEADER);
                if let Some((at_ns, rest)) = body.split_first_chunk() {
                    sample(u64::from_ne_bytes(*at_ns), raw(rest));
                }
            }
            tail += size as u64;
        }
        self.position(DATA_TAIL).store(head, Ordering::Release);
    }

    fn position(&self, offset: usize) -> &AtomicU64 {
        // SAFETY: within the first page, aligned to 8, and shared with the kernel only as whole numbers.
        unsafe { &*self.memory.as_ptr().add(offset).cast::<AtomicU64>() }
    }

    /// Bytes from the data pages, which are a circle.
    fn copy(&self, from: u64, length: usize) -> Vec<u8> {
        let size = self.page * PAGES;
        (0..length)
            .map(|nth| {
                let at = (from as usize).wrapping_add(nth) % size;
                // SAFETY: within the data pages; the kernel does not write between tail and head.
                unsafe { self.memory.as_ptr().add(self.page + at).read_volatile() }
            })
            .collect()
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // SAFETY: the mapping is this value's own; nothing refers to it any more.
        let _ = unsafe { libc::munmap(self.memory.as_ptr().cast(), self.page * (1 + PAGES)) };
    }
}

/// Nanoseconds by that clock.
fn now(clock: libc::clockid_t) -> u64 {
    let time = nix::time::ClockId::from_raw(clock).now();
    time.map_or(0, |time| {
        time.tv_sec() as u64 * 1_000_000_000 + time.tv_nsec() as u64
    })
}

/// Type and size.
fn record(header: &[u8]) -> (u32, usize) {
    let kind = header
        .first_chunk()
        .map_or(0, |bytes| u32::from_ne_bytes(*bytes));
    let size = header.get(6..8).and_then(|bytes| bytes.try_into().ok());
    (
        kind,
        size.map_or(0, |bytes| usize::from(u16::from_ne_bytes(bytes))),
    )
}

/// PERF_SAMPLE_RAW: a length, and the tracepoint's fields.
fn raw(body: &[u8]) -> &[u8] {
    let length = body
        .first_chunk()
        .map_or(0, |bytes| u32::from_ne_bytes(*bytes) as usize);
    let rest = body.get(4..).unwrap_or_default();
    rest.get(..length).unwrap_or(rest)
}
