use std::{collections::HashSet, sync::Arc};

use axum::extract::State;

use crate::{
    api::{App, check_url},
    error::Problem,
    inbound::is_address,
    record::{Object, Rule},
    server::{AgentCaller, Json},
};

/// How many rules an agent may have, and how many entries a list of a rule.
const RULES: usize = 100;
const ENTRIES: usize = 100;
/// The longest entry, in bytes.
const ENTRY: usize = 320;

/// Lists the agent's notification rules.
#[utoipa::path(
    get, path = "/notifications", tag = "guide",
    responses((status = 200, body = Vec<Rule>)),
)]
pub(super) async fn get(
    State(app): State<Arc<App>>,
    AgentCaller(agent_id): AgentCaller,
) -> Result<Json<Vec<Rule>>, Problem> {
    app.service.read(|state| state.account(&agent_id).map(|account| Json(account.rules.clone())))
}

/// Replaces the agent's notification rules.
#[utoipa::path(
    put, path = "/notifications", tag = "guide", request_body = Vec<Rule>,
    responses((status = 200, body = Vec<Rule>)),
)]
pub(super) async fn put(
    State(app): State<Arc<App>>,
    AgentCaller(agent_id): AgentCaller,
    Json(rules): Json<Vec<Object<Rule>>>,
) -> Result<Json<Vec<Rule>>, Problem> {
    let rules: Vec<_> = rules.into_iter().map(|Object(rule)| rule).collect();
    check(&rules, app.service.settings.loopback_only)?;
    app.service.write(|state| state.set_rules(&agent_id, rules.clone())).await??;
    Ok(Json(rules))
}

/// Checks what the types cannot. The error names the field, such as `[0].channels.webhook.url`.
pub(crate) fn check(rules: &[Rule], loopback_only: bool) -> Result<(), Problem> {
    if rules.len() > RULES {
        return Err(Problem::bad_request(format!("there are more than {RULES} rules")));
    }
    let mut ids = HashSet::new();
    for (index, rule) in rules.iter().enumerate() {
        let wrong =
            |field: &str, detail: &str| Problem::field(format!("[{index}].{field}"), detail);
        if rule.id.trim().is_empty() || rule.id.len() > 100 {
            return Err(wrong("id", "is empty, or longer than 100 bytes"));
        }
        if !ids.insert(&rule.id) {
            return Err(wrong("id", "is that of an earlier rule"));
        }
        if rule.name.len() > 200 {
            return Err(wrong("name", "is longer than 200 bytes"));
        }
        check_filters(rule, &wrong)?;
        check_channels(rule, loopback_only, &wrong)?;
    }
    Ok(())
}

fn check_filters(rule: &Rule, wrong: &impl Fn(&str, &str) -> Problem) -> Result<(), Problem> {
    let filters = &rule.filters;
    for (name, entries) in [
        ("traffic_types", &filters.traffic_types),
        ("sender_domains", &filters.sender_domains),
        ("trust_tiers", &filters.trust_tiers),
    ] {
        let entries = entries.as_deref().unwrap_or_default();
        if entries.len() > ENTRIES {
            return Err(wrong(&format!("filters.{name}"), "has more than 100 entries"));
        }
        for (index, entry) in entries.iter().enumerate() {
            let field = format!("filters.{name}[{index}]");
            if entry.trim().is_empty() || entry.len() > ENTRY {
                return Err(wrong(&field, "is empty, or longer than 320 bytes"));
            }
            if name == "sender_domains" && entry.contains(['@', ' ']) {
                return Err(wrong(&field, "is not a domain, such as example.com"));
            }
        }
    }
    Ok(())
}

fn check_channels(
    rule: &Rule,
    loopback_only: bool,
    wrong: &impl Fn(&str, &str) -> Problem,
) -> Result<(), Problem> {
    if let Some(url) = rule.channels.webhook.as_ref().and_then(|webhook| webhook.url.as_ref()) {
        check_url(url, loopback_only).map_err(|detail| wrong("channels.webhook.url", detail))?;
    }
    if let Some(email) = &rule.channels.email {
        if email.recipients.len() > ENTRIES {
            return Err(wrong("channels.email.recipients", "has more than 100 entries"));
        }
        for (index, recipient) in email.recipients.iter().enumerate() {
            if !is_address(recipient) {
                let field = format!("channels.email.recipients[{index}]");
                return Err(wrong(&field, "is not a mail address, such as user@example.com"));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_the_field() {
        for (name, rules, field) in [
            ("no rules", r#"[]"#, None),
            ("a rule", r#"[{"id":"a"}]"#, None),
            ("an id twice", r#"[{"id":"a"},{"id":"a"}]"#, Some("[1].id")),
            ("an empty id", r#"[{"id":" "}]"#, Some("[0].id")),
            ("no id", r#"[{"name":"a"}]"#, Some("[0]")),
            ("a number for an id", r#"[{"id":1}]"#, Some("[0].id")),
            ("a list for a rule", r#"[["a"]]"#, Some("[0]")),
            ("a list for filters", r#"[{"id":"a","filters":[]}]"#, Some("[0].filters")),
            (
                "a list for a channel",
                r#"[{"id":"a","channels":{"webhook":[true]}}]"#,
                Some("[0].channels.webhook"),
            ),
            ("an unknown field", r#"[{"id":"a","filter":{}}]"#, Some("[0].filter")),
            (
                "a list of another type",
                r#"[{"id":"a","filters":{"trust_tiers":["a",1]}}]"#,
                Some("[0].filters.trust_tiers[1]"),
            ),
            (
                "an address for a domain",
                r#"[{"id":"a","filters":{"sender_domains":["b.org","a@b.org"]}}]"#,
                Some("[0].filters.sender_domains[1]"),
            ),
            (
                "a URL without TLS",
                r#"[{"id":"a","channels":{"webhook":{"enabled":true,"url":"http://b.org/"}}}]"#,
                Some("[0].channels.webhook.url"),
            ),
            (
                "a recipient without a domain",
                r#"[{"id":"a","channels":{"email":{"enabled":true,"recipients":["a@b.c","a"]}}}]"#,
                Some("[0].channels.email.recipients[1]"),
            ),
        ] {
            let result =
                Json::<Vec<Object<Rule>>>::read(rules.as_bytes()).and_then(|Json(rules)| {
                    let rules: Vec<_> = rules.into_iter().map(|Object(rule)| rule).collect();
                    check(&rules, false)
                });

            let refused = result.err();
            assert_eq!(refused.as_ref().and_then(|it| it.field.as_deref()), field, "{name}");
            assert!(refused.is_none_or(|it| it.status == 400), "{name}");
        }
    }
}
