//! Where a request comes from.

use std::net::{IpAddr, Ipv4Addr};

use axum::http::Extensions;

/// The address at the other end of the connection: a proxy's, where there is one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) IpAddr);

impl Peer {
    /// The address of a request; routes that are called without a connection have none.
    pub(crate) fn of(extensions: &Extensions) -> IpAddr {
        let peer = extensions.get::<Self>();
        peer.map_or(Ipv4Addr::UNSPECIFIED.into(), |peer| peer.0)
    }
}
