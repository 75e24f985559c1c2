//! Reading questions about privileges, which look like role descriptors (Elasticsearch,
//! `RoleDescriptor#parsePrivilegesToCheck`).

use latchkey_elastic::ErrorCause;
use latchkey_elastic::content::Node;

use super::parser::{ParseContext, application_block, each, index_block, optional_texts};
use crate::permission::{ApplicationQuestion, HasPrivilegesRequest, IndexQuestion};

impl HasPrivilegesRequest {
    /// Reads the body of a question about what `username` may do.
    ///
    /// # Errors
    ///
    /// `parse_exception` for the first thing that is not understood.
    pub fn parse(node: &Node, username: &str) -> Result<Self, ErrorCause> {
        let description = format!("{username}/has_privileges");
        let context = ParseContext { what: "privileges check", role: &description };
        let (mut cluster, mut index, mut application) = (None, None, None);
        for member in context.object(node)? {
            match member.name.as_str() {
                "cluster" => {
                    let role = ParseContext { what: "role", role: &description };
                    cluster = Some(optional_texts(role, member)?);
                }
                "index" => index = Some(each(&description, "indices privileges", member, index_block)?),
                "application" | "applications" => {
                    let blocks = each(&description, "application privileges", member, application_block)?;
                    application = Some(blocks);
                }
                _ => return Err(context.unexpected(member)),
            }
        }
        if cluster.is_none() && index.is_none() && application.is_none() {
            return Err(context.complain("All privilege fields [cluster,index,applications] are missing"));
        }
        let index = index.unwrap_or_default();
        if index.iter().any(|block| block.field_security.is_some()) {
            return Err(unsupported("field_security"));
        }
        if index.iter().any(|block| block.query.is_some()) {
            return Err(unsupported("query"));
        }
        let index = index.into_iter().map(|block| IndexQuestion {
            names: block.names,
            privileges: block.privileges,
            allow_restricted_indices: block.allow_restricted_indices,
        });
        let application = application.unwrap_or_default().into_iter().map(|block| ApplicationQuestion {
            application: block.application,
            privileges: block.privileges,
            resources: block.resources,
        });
        Ok(Self {
            cluster: cluster.unwrap_or_default(),
            index: index.collect(),
            application: application.collect(),
        })
    }
}

fn unsupported(field: &str) -> ErrorCause {
    ErrorCause::parse(format!("Field [{field}] is not supported in a has_privileges request"))
}
