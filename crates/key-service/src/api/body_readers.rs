//! The readers of bodies, for fuzz targets and for the command line, which tells mistakes before it asks: each reads and
//! checks what the handler of its route would.

use latchkey_elastic::ErrorCause;
use latchkey_elastic::content::Node;

use latchkey_privileges::application_privilege::ApplicationPrivilege;
use latchkey_privileges::role_descriptor::RoleDescriptor;

use crate::api::{api_key, application_privilege, role, token, usage, user};

/// Reads a body as each route does.
pub(crate) fn read_by_every_route(body: &Node) -> Vec<Result<(), ErrorCause>> {
    let mut read = api_key::read_by_every_route(body);
    read.push(application_privilege::read(body).and_then(|(validity, _)| validity));
    read.extend(token::read_by_every_route(body));
    read.push(usage::read(Some(body)).map(drop));
    read.extend(user::read_by_every_route(body));
    read
}

/// A role of this name.
pub(crate) fn role(name: &str, body: &Node) -> Result<RoleDescriptor, ErrorCause> {
    let role = RoleDescriptor::parse(name, body)?;
    role::validate(name, &role).map(|()| role)
}

/// A privilege of an application.
pub(crate) fn application_privilege(
    application: &str,
    name: &str,
    body: &Node,
) -> Result<ApplicationPrivilege, ErrorCause> {
    application_privilege::read_one(application, name, body)
}
