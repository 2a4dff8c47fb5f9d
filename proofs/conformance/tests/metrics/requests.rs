use agentmail_verify::{Label, Secret, Signer, UnixTime, Verifier};

/// A POST to one of the routes.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

/// How many kinds of random requests there are.
pub(crate) const KINDS: u32 = 12;

impl Request {
    /// Is in each text that is random, so that a label with such a text is found.
    pub(crate) const MARK: &str = "zzmark";

    pub(crate) fn with_other_body(mut self) -> Self {
        self.body.push(' ');
        self
    }

    fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    fn signed_at(self, at: UnixTime) -> Self {
        let signed = Signer::new(secret()).sign(at, self.body.as_bytes());
        let headers = signed.headers();
        headers.into_iter().fold(self, |request, (name, value)| request.with_header(name, value))
    }
}

fn secret() -> Secret {
    Secret::new("whsec_test_secret").unwrap().with_label(Label::new("2026-11").unwrap())
}

pub(crate) fn verifier() -> Verifier {
    Verifier::new(secret())
}

/// The verifier of a tenant. Its label names the tenant, as an operator may do.
pub(crate) fn verifier_of(tenant: &str) -> Verifier {
    let label = Label::new(&tenant.chars().take(32).collect::<String>()).unwrap();
    Verifier::new(secret().with_label(label))
}

fn text() -> String {
    format!("{}{:x}", Request::MARK, fastrand::u64(..))
}

fn unsigned(path: String, body: String) -> Request {
    Request { path, headers: Vec::new(), body }
}

fn mail(agent: &str) -> String {
    let (id, kind) = (text(), if fastrand::bool() { "mail.received" } else { "mail.other" });
    format!(
        r#"{{"type":"{kind}","agent_id":"{agent}","message_id":"{id}","subject":"{}"}}"#,
        text()
    )
}

/// A new mail, with a signature of now.
pub(crate) fn genuine() -> Request {
    let body =
        format!(r#"{{"type":"mail.received","agent_id":"{}","message_id":"{}"}}"#, text(), text());
    unsigned("/webhook".into(), body).signed_at(UnixTime::now())
}

/// A request with random texts in its path, its headers and its body.
pub(crate) fn random(kind: u32) -> Request {
    let now = UnixTime::now();
    let seconds = |seconds: i64| UnixTime::from_secs(now.as_secs().saturating_add_signed(seconds));
    let path = format!("/webhook?{}={}", text(), text());
    let any_mail = || unsigned(path.clone(), mail(&text()));
    let agent = text();
    let of_agent = |named: &str| unsigned(format!("/agents/{agent}/webhook"), mail(named));
    match kind {
        0 | 1 => any_mail().signed_at(seconds(fastrand::i64(-299..299))),
        2 => any_mail().signed_at(now).with_other_body(),
        3 => any_mail().signed_at(seconds(-400)),
        4 => any_mail().signed_at(seconds(400)),
        5 => any_mail().with_header("x-agentmail-unsigned", "1"),
        6 => any_mail().with_header("x-agentmail-signature", &text()),
        7 => any_mail().signed_at(now).with_header("x-agentmail-timestamp", "1"),
        8 => unsigned(path.clone(), format!("{{\"type\":\"{}\"}}", text())).signed_at(now),
        9 => unsigned(path.clone(), text()).signed_at(now),
        10 => of_agent(&agent).signed_at(now),
        _ => of_agent(&text()).signed_at(now),
    }
    .with_header(&format!("x-{}", text()), &text())
}
