//! Which addresses may be reached.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// How far a request may reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// The URL was written by the operator: private and loopback addresses are meant.
    Configured,
    /// The URL came from elsewhere: public addresses only.
    Public,
}

/// Why an address is not reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// 169.254.0.0/16, fe80::/10 and the addresses at which clouds hand out credentials.
    #[error("{0} is a link-local or cloud metadata address")]
    LinkLocal(IpAddr),
    /// Multicast and broadcast.
    #[error("{0} is a multicast or broadcast address")]
    Multicast(IpAddr),
    /// 0.0.0.0/8, ::, 240.0.0.0/4.
    #[error("{0} is not the address of a host")]
    Unspecified(IpAddr),
    /// Loopback and private networks, under [`Policy::Public`].
    #[error("{0} is a private address")]
    Private(IpAddr),
}

/// Why a host could not be reached by name.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// The name has no address, or the resolver did not answer.
    #[error("{host} could not be resolved")]
    Lookup {
        /// The name.
        host: String,
        /// What the resolver said.
        source: std::io::Error,
    },
    /// Every address of the name is refused.
    #[error("{host}: {refusal}")]
    Refused {
        /// The name.
        host: String,
        /// Why the last of them is refused.
        refusal: Refusal,
    },
}

/// Metadata services outside the link-local range: AWS over IPv6, Alibaba, Oracle.
const METADATA: [IpAddr; 3] = [
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x0254)),
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
];

impl Policy {
    /// Whether an address may be reached. IPv4 addresses wrapped in IPv6 are judged as what they wrap.
    pub fn check(self, address: IpAddr) -> Result<(), Refusal> {
        let inner = unwrap_v4(address);
        if METADATA.contains(&inner) || is_link_local(inner) {
            return Err(Refusal::LinkLocal(address));
        }
        if inner.is_multicast() || inner == IpAddr::V4(Ipv4Addr::BROADCAST) {
            return Err(Refusal::Multicast(address));
        }
        if is_no_host(inner) {
            return Err(Refusal::Unspecified(address));
        }
        if self == Self::Public && is_private(inner) {
            return Err(Refusal::Private(address));
        }
        Ok(())
    }

    /// The addresses of a host that may be reached: of a literal address itself, of a name those that the
    /// resolver gives. At least one, or an error.
    pub async fn resolve(self, host: &str, port: u16) -> Result<Vec<SocketAddr>, ResolveError> {
        let lookup = |source| ResolveError::Lookup { host: host.to_owned(), source };
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let found = tokio::net::lookup_host((bare, port)).await.map_err(lookup)?;
        let mut allowed = Vec::new();
        let mut refused = None;
        for address in found {
            match self.check(address.ip()) {
                Ok(()) => allowed.push(address),
                Err(refusal) => refused = Some(refusal),
            }
        }
        match refused {
            _ if !allowed.is_empty() => Ok(allowed),
            Some(refusal) => Err(ResolveError::Refused { host: host.to_owned(), refusal }),
            None => Err(lookup(std::io::Error::from(std::io::ErrorKind::NotFound))),
        }
    }
}

/// The IPv4 address that an IPv6 address stands for: mapped (RFC 4291), translated (RFC 6052), 6to4 (RFC 3056).
fn unwrap_v4(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    if let Some(v4) = v6.to_ipv4_mapped() {
        return IpAddr::V4(v4);
    }
    let octets = v6.octets();
    match v6.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, ..] => v4(&octets[12..]),
        [0x2002, ..] => v4(&octets[2..6]),
        _ => address,
    }
}

fn v4(octets: &[u8]) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(octets[0], octets[1], octets[2], octets[3]))
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(a) => a.is_link_local(),
        IpAddr::V6(a) => a.is_unicast_link_local(),
    }
}

fn is_no_host(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(a) => a.octets()[0] == 0 || a.octets()[0] >= 240,
        IpAddr::V6(a) => a.is_unspecified(),
    }
}

fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(a) => {
            let carrier_grade_nat = a.octets()[0] == 100 && a.octets()[1] & 0xc0 == 64;
            a.is_private() || a.is_loopback() || carrier_grade_nat
        }
        IpAddr::V6(a) => a.is_loopback() || a.is_unique_local(),
    }
}

/// Resolves names for the HTTP client and lets only allowed addresses through.
#[derive(Debug, Clone, Copy)]
pub(super) struct GuardedResolver(pub(super) Policy);

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let policy = self.0;
        Box::pin(async move {
            let addresses = policy.resolve(name.as_str(), 0).await?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(policy: Policy, text: &str) -> Result<(), Refusal> {
        policy.check(text.parse().unwrap())
    }

    #[test]
    fn never_metadata_multicast_or_nothing() {
        for (text, name) in [
            ("169.254.169.254", "LinkLocal"),
            ("::ffff:169.254.169.254", "LinkLocal"),
            ("64:ff9b::a9fe:a9fe", "LinkLocal"),
            ("2002:a9fe:a9fe::1", "LinkLocal"),
            ("fe80::1", "LinkLocal"),
            ("fd00:ec2::254", "LinkLocal"),
            ("100.100.100.200", "LinkLocal"),
            ("224.0.0.1", "Multicast"),
            ("ff02::1", "Multicast"),
            ("255.255.255.255", "Multicast"),
            ("0.0.0.0", "Unspecified"),
            ("::", "Unspecified"),
            ("::ffff:0.0.0.0", "Unspecified"),
            ("240.0.0.1", "Unspecified"),
        ] {
            for policy in [Policy::Configured, Policy::Public] {
                let refusal = check(policy, text).expect_err(text);
                assert!(format!("{refusal:?}").starts_with(name), "{text}: {refusal:?}");
            }
        }
    }

    #[test]
    fn private_addresses_only_when_the_operator_meant_them() {
        for text in ["127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "100.64.0.1", "::1", "fd12::1"] {
            assert_eq!(check(Policy::Configured, text), Ok(()), "{text}");
            assert!(matches!(check(Policy::Public, text), Err(Refusal::Private(_))), "{text}");
        }
        for text in ["93.184.216.34", "2606:4700::1111", "100.128.0.1"] {
            assert_eq!(check(Policy::Public, text), Ok(()), "{text}");
        }
    }

    #[tokio::test]
    async fn names_are_judged_by_their_addresses() {
        assert!(!Policy::Configured.resolve("localhost", 80).await.unwrap().is_empty());
        let refused = Policy::Public.resolve("localhost", 80).await;
        assert!(matches!(refused, Err(ResolveError::Refused { .. })), "{refused:?}");
        let literal = Policy::Configured.resolve("[::1]", 25).await.unwrap();
        assert_eq!(literal, ["[::1]:25".parse().unwrap()]);
    }
}
