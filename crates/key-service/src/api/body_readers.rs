//! The readers of bodies, for fuzz targets: each reads and checks what the handler of its route would.

use latchkey_elastic::ErrorCause;
use latchkey_elastic::content::Node;

use crate::api::{api_key, application_privilege, token, usage, user};

/// Reads a body as each route does.
pub(crate) fn read_by_every_route(body: &Node) -> Vec<Result<(), ErrorCause>> {
    let mut read = api_key::read_by_every_route(body);
    read.push(application_privilege::read(body).and_then(|(validity, _)| validity));
    read.extend(token::read_by_every_route(body));
    read.push(usage::read(Some(body)).map(drop));
    read.extend(user::read_by_every_route(body));
    read
}
