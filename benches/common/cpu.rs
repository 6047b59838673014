//! What a process costs, as Linux counts it (proc(5)).

use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Clock ticks a second: `USER_HZ`, which is 100 on every architecture that Debian ships.
const TICKS_PER_SECOND: f64 = 100.0;

/// User and system time of a process and its reaped children, in seconds (`/proc/PID/stat`, fields 14 to 17).
pub(crate) fn cpu_seconds(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("the process lives");
    let fields: Vec<&str> = stat.rsplit(')').next().expect("fields").split_whitespace().collect();
    fields[11..15].iter().map(|f| f.parse::<f64>().expect("a number")).sum::<f64>() / TICKS_PER_SECOND
}

/// The most memory that the process ever held, in bytes.
pub(crate) fn peak_memory(pid: u32) -> f64 {
    memory(pid, "VmHWM:")
}

/// The memory that the process holds now, in bytes.
pub(crate) fn resident_memory(pid: u32) -> f64 {
    memory(pid, "VmRSS:")
}

fn memory(pid: u32, field: &str) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the process lives");
    let line = status.lines().find_map(|l| l.strip_prefix(field)).expect("the field is there");
    let kib: f64 = line.split_whitespace().next().and_then(|v| v.parse().ok()).expect("a number");
    kib * 1024.0
}

/// Bytes that a folder holds on the disk (allocated blocks, so that preallocation counts).
pub(crate) fn disk_bytes(folder: &Path) -> f64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(meta) if meta.is_dir() => disk_bytes(&entry.path()),
            Ok(meta) => meta.blocks() as f64 * 512.0,
            // Files come and go while a server works.
            Err(_) => 0.0,
        })
        .sum()
}
