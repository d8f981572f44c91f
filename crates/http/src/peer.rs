//! Where a request comes from.

use std::net::IpAddr;

use axum::http::Extensions;

/// The address at the other end of the connection: a proxy's, where there is one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) IpAddr);

impl Peer {
    /// The address that the listener gave to this request.
    pub(crate) fn of(extensions: &Extensions) -> IpAddr {
        let peer: &Self = extensions
            .get()
            .expect("the listener marks every request with its peer");
        peer.0
    }
}
