//! Which rules a mail matches, and why not.

use crate::record::{Account, FailedFilter, Filters, Rule};

/// What the filters look at.
#[derive(Debug)]
pub(crate) struct Facts<'a> {
    pub(crate) sender: Option<&'a str>,
    pub(crate) sender_verified: bool,
    pub(crate) peer_trust_tier: Option<&'a str>,
    pub(crate) traffic_type: Option<&'a str>,
}

/// What one rule does with a mail. Without a rule's id, it is the agent's own webhook.
#[derive(Debug, PartialEq)]
pub(crate) struct Decision {
    pub(crate) rule_id: Option<String>,
    pub(crate) matched: bool,
    pub(crate) reason: Option<&'static str>,
    pub(crate) failed_filters: Vec<FailedFilter>,
    pub(crate) to_webhook: bool,
    pub(crate) recipients: Vec<String>,
}

/// Decides where a mail goes. Without rules, each mail goes to the agent's webhook.
pub(crate) fn route(account: &Account, facts: &Facts<'_>) -> Vec<Decision> {
    if account.rules.is_empty() {
        return vec![default_route(account)];
    }
    account.rules.iter().map(|rule| decide(account, rule, facts)).collect()
}

fn default_route(account: &Account) -> Decision {
    let reason = match &account.webhook {
        Some(webhook) if webhook.enabled => None,
        Some(_) => Some("the webhook is not enabled"),
        None => Some("the agent has no webhook, and no rules"),
    };
    Decision {
        rule_id: None,
        matched: reason.is_none(),
        reason,
        failed_filters: Vec::new(),
        to_webhook: reason.is_none(),
        recipients: Vec::new(),
    }
}

fn decide(account: &Account, rule: &Rule, facts: &Facts<'_>) -> Decision {
    let failed_filters = failed_filters(&rule.filters, facts);
    let matched = rule.enabled && failed_filters.is_empty();
    let to_webhook = matched && account.url(Some(&rule.id)).is_some();
    let recipients = match &rule.channels.email {
        Some(email) if matched && email.enabled => email.recipients.clone(),
        _ => Vec::new(),
    };
    let reason = if !rule.enabled {
        Some("the rule is not enabled")
    } else if !matched {
        Some("a filter does not match")
    } else if !to_webhook && recipients.is_empty() {
        Some("the rule has no enabled channel with a destination")
    } else {
        None
    };
    Decision {
        rule_id: Some(rule.id.clone()),
        matched,
        reason,
        failed_filters,
        to_webhook,
        recipients,
    }
}

fn failed_filters(filters: &Filters, facts: &Facts<'_>) -> Vec<FailedFilter> {
    let mut failed = Vec::new();
    if let Some(wanted) = filters.sender_verified
        && wanted != facts.sender_verified
    {
        failed.push(FailedFilter {
            filter: "sender_verified".to_owned(),
            wanted: vec![wanted.to_string()],
            actual: Some(facts.sender_verified.to_string()),
        });
    }
    let domain = facts.sender.and_then(|sender| sender.rsplit_once('@')).map(|(_, domain)| domain);
    for (filter, wanted, actual, ignores_case) in [
        ("traffic_types", &filters.traffic_types, facts.traffic_type, false),
        ("sender_domains", &filters.sender_domains, domain, true),
        ("trust_tiers", &filters.trust_tiers, facts.peer_trust_tier, false),
    ] {
        let Some(wanted) = wanted.as_ref().filter(|wanted| !wanted.is_empty()) else { continue };
        let is_wanted = |entry: &String| match actual {
            Some(actual) if ignores_case => entry.eq_ignore_ascii_case(actual),
            Some(actual) => entry == actual,
            None => false,
        };
        if !wanted.iter().any(is_wanted) {
            failed.push(FailedFilter {
                filter: filter.to_owned(),
                wanted: wanted.clone(),
                actual: actual.map(str::to_owned),
            });
        }
    }
    failed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Channels, EmailChannel, Webhook, WebhookChannel};

    const FACTS: Facts<'_> = Facts {
        sender: Some("user@Example.com"),
        sender_verified: true,
        peer_trust_tier: Some("verified"),
        traffic_type: Some("human"),
    };

    fn list(entries: &[&str]) -> Option<Vec<String>> {
        Some(entries.iter().map(|&entry| entry.to_owned()).collect())
    }

    fn rule(filters: Filters) -> Rule {
        let webhook = WebhookChannel { enabled: true, url: Some("http://127.0.0.1:1/".to_owned()) };
        Rule {
            id: "a rule".to_owned(),
            name: String::new(),
            enabled: true,
            filters,
            channels: Channels { webhook: Some(webhook), email: None },
        }
    }

    fn account(rules: Vec<Rule>) -> Account {
        Account { rules, ..Account::new("my-agent".to_owned(), String::new()) }
    }

    #[test]
    fn filters_are_combined_with_and_and_their_entries_with_or() {
        let none = Filters::default;
        for (name, filters, failed) in [
            ("no filter", none(), &[][..]),
            ("verified", Filters { sender_verified: Some(true), ..none() }, &[]),
            (
                "not verified",
                Filters { sender_verified: Some(false), ..none() },
                &["sender_verified"],
            ),
            (
                "a domain",
                Filters { sender_domains: list(&["b.org", "example.COM"]), ..none() },
                &[],
            ),
            (
                "a parent domain",
                Filters { sender_domains: list(&["com"]), ..none() },
                &["sender_domains"],
            ),
            ("an empty list", Filters { sender_domains: list(&[]), ..none() }, &[]),
            ("a type", Filters { traffic_types: list(&["agent", "human"]), ..none() }, &[]),
            (
                "another type",
                Filters { traffic_types: list(&["agent"]), ..none() },
                &["traffic_types"],
            ),
            (
                "another case",
                Filters { trust_tiers: list(&["Verified"]), ..none() },
                &["trust_tiers"],
            ),
            (
                "two that fail, and one that matches",
                Filters {
                    sender_verified: Some(false),
                    sender_domains: list(&["b.org"]),
                    trust_tiers: list(&["verified"]),
                    ..none()
                },
                &["sender_verified", "sender_domains"],
            ),
        ] {
            let account = account(vec![rule(filters)]);

            let [decision] = &route(&account, &FACTS)[..] else { panic!("{name}: one rule") };

            let filters: Vec<_> =
                decision.failed_filters.iter().map(|it| it.filter.as_str()).collect();
            assert_eq!(filters, failed, "{name}");
            assert_eq!(decision.matched, failed.is_empty(), "{name}");
            assert_eq!(decision.to_webhook, failed.is_empty(), "{name}");
        }
    }

    #[test]
    fn a_mail_without_a_sender_matches_no_domain() {
        let filters = Filters { sender_domains: list(&["example.com"]), ..Filters::default() };

        let decisions = route(&account(vec![rule(filters)]), &Facts { sender: None, ..FACTS });

        assert!(!decisions[0].matched);
        assert_eq!(decisions[0].failed_filters[0].actual, None);
    }

    #[test]
    fn a_rule_routes_to_each_enabled_channel() {
        let email =
            |enabled| EmailChannel { enabled, recipients: vec!["a@example.com".to_owned()] };
        let mut both = rule(Filters::default());
        both.channels.email = Some(email(true));
        let mut mail_only = both.clone();
        mail_only.channels.webhook = None;
        let mut nothing = rule(Filters::default());
        nothing.channels = Channels {
            webhook: Some(WebhookChannel { enabled: true, url: None }),
            email: Some(email(false)),
        };
        let mut off = both.clone();
        off.enabled = false;

        for (name, rule, to_webhook, recipients, reason) in [
            ("both", both, true, 1, None),
            ("mail only", mail_only, false, 1, None),
            (
                "nothing",
                nothing,
                false,
                0,
                Some("the rule has no enabled channel with a destination"),
            ),
            ("off", off, false, 0, Some("the rule is not enabled")),
        ] {
            let decision = &route(&account(vec![rule]), &FACTS)[0];

            assert_eq!(decision.to_webhook, to_webhook, "{name}");
            assert_eq!(decision.recipients.len(), recipients, "{name}");
            assert_eq!(decision.reason, reason, "{name}");
        }
    }

    #[test]
    fn without_rules_each_mail_goes_to_the_agents_webhook() {
        let mut account = account(Vec::new());
        assert_eq!(
            route(&account, &FACTS)[0].reason,
            Some("the agent has no webhook, and no rules")
        );

        let url = "http://127.0.0.1:1/".to_owned();
        account.webhook = Some(Webhook { url, enabled: true, secret: "secret".to_owned() });
        assert!(route(&account, &FACTS)[0].to_webhook);

        account.webhook.as_mut().unwrap().enabled = false;
        assert_eq!(route(&account, &FACTS)[0].reason, Some("the webhook is not enabled"));
    }
}
