//! The kernel's tables, after proc(5) and the kernel's own documentation (`iostats.rst`, `psi.rst`).

use super::Sample;

/// A table: its file, whether every kernel has it, and what it says.
type Table = (&'static str, bool, fn(&str) -> Vec<Sample>);

pub(super) const ALL: [Table; 7] = [
    ("stat", true, stat),
    ("meminfo", true, memory),
    ("loadavg", true, load),
    ("diskstats", false, disks),
    ("net/dev", false, network),
    ("pressure/cpu", false, |text| pressure(text, "cpu")),
    ("pressure/memory", false, |text| pressure(text, "memory")),
];

/// Processor time is counted in these (`USER_HZ`, 100 on every Linux that Rust runs on).
const TICKS_PER_SECOND: f64 = 100.0;
/// `/proc/diskstats` counts in sectors of this many bytes, whatever the disk's own.
const SECTOR: f64 = 512.0;
/// More disks or interfaces than this are not listed.
const DEVICES: usize = 64;

const CPU_MODES: [&str; 8] = ["user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal"];

fn plain(name: &str, value: f64) -> Sample {
    (format!("node_{name}"), Vec::new(), value)
}

fn stat(text: &str) -> Vec<Sample> {
    let mut samples = Vec::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let name = words.next().unwrap_or_default();
        let mut number = || words.next().and_then(|w| w.parse::<f64>().ok());
        match name {
            "ctxt" => samples.extend(number().map(|v| plain("context_switches_total", v))),
            "btime" => samples.extend(number().map(|v| plain("boot_time_seconds", v))),
            "processes" => samples.extend(number().map(|v| plain("forks_total", v))),
            "procs_running" => samples.extend(number().map(|v| plain("procs_running", v))),
            "procs_blocked" => samples.extend(number().map(|v| plain("procs_blocked", v))),
            _ => {
                let Some(cpu) = name.strip_prefix("cpu").filter(|n| !n.is_empty()) else { continue };
                for mode in CPU_MODES {
                    let labels = vec![("cpu", cpu.to_owned()), ("mode", mode.to_owned())];
                    samples
                        .extend(number().map(|v| ("node_cpu_seconds_total".to_owned(), labels, v / TICKS_PER_SECOND)));
                }
            }
        }
    }
    samples
}

/// `MemTotal:  24684096 kB`; brackets become underscores, as in node_exporter.
fn memory(text: &str) -> Vec<Sample> {
    let lines = text.lines().filter_map(|line| line.split_once(':'));
    lines
        .filter_map(|(name, rest)| {
            let mut words = rest.split_whitespace();
            let value: f64 = words.next()?.parse().ok()?;
            let name = name.replace('(', "_").replace(')', "");
            Some(match words.next() {
                Some("kB") => plain(&format!("memory_{name}_bytes"), value * 1024.0),
                _ => plain(&format!("memory_{name}"), value),
            })
        })
        .collect()
}

fn load(text: &str) -> Vec<Sample> {
    let values = text.split_whitespace().map_while(|w| w.parse().ok());
    ["load1", "load5", "load15"].into_iter().zip(values).map(|(name, value)| plain(name, value)).collect()
}

/// Field (from 0, after the name), metric, factor.
const DISK: [(usize, &str, f64); 9] = [
    (0, "reads_completed_total", 1.0),
    (2, "read_bytes_total", SECTOR),
    (3, "read_time_seconds_total", 1e-3),
    (4, "writes_completed_total", 1.0),
    (6, "written_bytes_total", SECTOR),
    (7, "write_time_seconds_total", 1e-3),
    (8, "io_now", 1.0),
    (9, "io_time_seconds_total", 1e-3),
    (10, "io_time_weighted_seconds_total", 1e-3),
];

fn disks(text: &str) -> Vec<Sample> {
    let rows = text.lines().filter_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let device = *words.get(2)?;
        let is_virtual = ["ram", "loop", "fd"].iter().any(|prefix| device.starts_with(prefix));
        (!is_virtual).then_some((device.to_owned(), words))
    });
    let mut samples = Vec::new();
    for (device, words) in rows.take(DEVICES) {
        for (field, metric, factor) in DISK {
            if let Some(value) = words.get(3 + field).and_then(|w| w.parse::<f64>().ok()) {
                samples.push((format!("node_disk_{metric}"), vec![("device", device.clone())], value * factor));
            }
        }
    }
    samples
}

/// Column after the colon, metric.
const NETWORK: [(usize, &str); 8] = [
    (0, "receive_bytes_total"),
    (1, "receive_packets_total"),
    (2, "receive_errs_total"),
    (3, "receive_drop_total"),
    (8, "transmit_bytes_total"),
    (9, "transmit_packets_total"),
    (10, "transmit_errs_total"),
    (11, "transmit_drop_total"),
];

fn network(text: &str) -> Vec<Sample> {
    let rows = text.lines().filter_map(|line| line.split_once(':'));
    let mut samples = Vec::new();
    for (device, counts) in rows.take(DEVICES) {
        let counts: Vec<f64> = counts.split_whitespace().map_while(|w| w.parse().ok()).collect();
        for (column, metric) in NETWORK {
            if let Some(value) = counts.get(column) {
                let labels = vec![("device", device.trim().to_owned())];
                samples.push((format!("node_network_{metric}"), labels, *value));
            }
        }
    }
    samples
}

/// `some avg10=0.00 … total=123`: microseconds in which some, or all, tasks waited.
fn pressure(text: &str, resource: &str) -> Vec<Sample> {
    let lines = text.lines().filter_map(|line| {
        let (kind, rest) = line.split_once(' ')?;
        let micros: f64 = rest.rsplit_once("total=")?.1.trim().parse().ok()?;
        let suffix = match (kind, resource) {
            ("some", _) => "waiting",
            ("full", "memory") => "stalled",
            _ => return None,
        };
        Some(plain(&format!("pressure_{resource}_{suffix}_seconds_total"), micros / 1e6))
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(samples: &[Sample], name: &str, label: &str) -> Option<f64> {
        let is_it = |s: &&Sample| s.0 == name && (label.is_empty() || s.1.iter().any(|(_, v)| v == label));
        samples.iter().find(is_it).map(|s| s.2)
    }

    #[test]
    fn processors_memory_and_load() {
        let samples = stat("cpu  10 0 5 100\ncpu0 150 2 50 900 7 0 1 3 0 0\nctxt 99\nbtime 1795000000\nintr 1 2 3\n");
        assert_eq!(find(&samples, "node_cpu_seconds_total", "user"), Some(1.5));
        assert_eq!(find(&samples, "node_cpu_seconds_total", "steal"), Some(0.03));
        assert_eq!(find(&samples, "node_boot_time_seconds", ""), Some(1_795_000_000.0));
        assert_eq!(samples.len(), 8 + 2);
        let samples = memory("MemTotal:       1000 kB\nActive(anon):  10 kB\nHugePages_Total:  3\n");
        assert_eq!(find(&samples, "node_memory_MemTotal_bytes", ""), Some(1_024_000.0));
        assert_eq!(find(&samples, "node_memory_Active_anon_bytes", ""), Some(10_240.0));
        assert_eq!(find(&samples, "node_memory_HugePages_Total", ""), Some(3.0));
        assert_eq!(find(&load("0.10 0.20 0.30 1/200 5"), "node_load15", ""), Some(0.3));
    }

    #[test]
    fn disks_and_interfaces() {
        let samples = disks(" 254 0 vda 10 1 200 30 40 2 400 50 6 70 80 0 0\n 7 0 loop0 1 1 1 1 1 1 1 1 1 1 1\n");
        assert_eq!(find(&samples, "node_disk_read_bytes_total", "vda"), Some(102_400.0));
        assert_eq!(find(&samples, "node_disk_io_now", "vda"), Some(6.0));
        assert_eq!(find(&samples, "node_disk_io_time_weighted_seconds_total", "vda"), Some(0.08));
        assert_eq!(samples.len(), 9);
        let samples = network("Inter-|\n face |\n  eth0: 100 2 3 4 0 0 0 0 500 6 7 8 0 0 0 0\n");
        assert_eq!(find(&samples, "node_network_transmit_drop_total", "eth0"), Some(8.0));
        assert_eq!(samples.len(), 8);
    }

    #[test]
    fn pressure_in_seconds() {
        let samples = pressure("some avg10=0.00 total=2500000\nfull avg10=0.00 total=1000000\n", "memory");
        assert_eq!(find(&samples, "node_pressure_memory_waiting_seconds_total", ""), Some(2.5));
        assert_eq!(find(&samples, "node_pressure_memory_stalled_seconds_total", ""), Some(1.0));
    }

    #[test]
    fn this_machine_has_them() {
        for (file, is_needed, table) in ALL {
            match std::fs::read_to_string(std::path::Path::new("/proc").join(file)) {
                Ok(text) => assert!(!table(&text).is_empty() || file == "diskstats", "{file} gave nothing"),
                Err(error) => assert!(!is_needed, "{file}: {error}"),
            }
        }
    }
}
