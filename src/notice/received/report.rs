//! Delivery reports (RFC 3464, RFC 6533).

use crate::notice::mime::{Part, for_people, keyword};

/// The most recipients of a report that are kept. A mail of ours has one, and an alias behind it few.
const MAX_DELIVERIES: usize = 16;

/// The most characters of each text of a report.
const MAX_TEXT: usize = 300;

/// The fate of a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// The server gave up: the mail will not be delivered.
    Failed,
    /// The server still tries.
    Delayed,
    /// The mail was delivered.
    Delivered,
    /// The mail was given to a server that sends no reports.
    Relayed,
    /// The mail was delivered, and goes on to several other recipients.
    Expanded,
}

/// The fate of a mail for one recipient. The texts come from outside: they are escaped, and have at most 300
/// characters each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The fate of the mail.
    pub action: Action,
    /// The address of the recipient; may be empty.
    pub recipient: String,
    /// The status code, such as `5.1.1`; may be empty.
    pub status: String,
    /// The answer of the recipient's server; may be empty.
    pub diagnostic: String,
}

/// Returns the deliveries that a mail reports, at most 16; none if it is no delivery report.
///
/// The report must be the whole mail: a report that somebody forwards is not one.
pub(super) fn deliveries(message: &Part<'_>) -> Vec<Delivery> {
    let content_type = message.content_type();
    let report_type = content_type.params.get("report-type").map(|text| keyword(text));
    let is_report = content_type.mimetype == "multipart/report"
        && report_type.is_some_and(|text| text == "delivery-status");
    let mut found = Vec::new();
    let parts = if is_report { message.parts() } else { Vec::new() };
    for part in parts {
        let kind = part.content_type().mimetype;
        if !["message/delivery-status", "message/global-delivery-status"].contains(&kind.as_str()) {
            continue;
        }
        let Some(body) = part.decoded() else { continue };
        // Groups of fields with empty lines between them: one about the mail, then one for each recipient.
        let mut group = Part::new(&body);
        while !group.is_empty() && found.len() < MAX_DELIVERIES {
            found.extend(delivery(&group));
            group = Part::new(group.body());
        }
    }
    found
}

/// Returns the delivery of a group of fields, or `None` if it has no action that is known.
fn delivery(group: &Part<'_>) -> Option<Delivery> {
    let field = |name| group.field(name).map(|field| field.text());
    // A type comes before an address and a diagnostic: `rfc822; a@example.org`.
    let typed = |name| {
        let text = field(name)?;
        let value = text.split_once(';').map_or(text.as_str(), |(_, value)| value).trim();
        Some(for_people(value, MAX_TEXT))
    };
    let action = match keyword(&field("Action")?).as_str() {
        "failed" => Action::Failed,
        "delayed" => Action::Delayed,
        "delivered" => Action::Delivered,
        "relayed" => Action::Relayed,
        "expanded" => Action::Expanded,
        _ => return None,
    };
    // Some servers put a comment behind the code.
    let status = field("Status").map(|text| keyword(&text)).unwrap_or_default();
    Some(Delivery {
        action,
        recipient: typed("Final-Recipient")
            .or_else(|| typed("Original-Recipient"))
            .unwrap_or_default(),
        status: for_people(&status, MAX_TEXT),
        diagnostic: typed("Diagnostic-Code").unwrap_or_default(),
    })
}
