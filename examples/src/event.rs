use agentmail_axum::Event;

/// Notes an event in the log: where your own handler would act on it.
pub fn note(event: &Event) {
    match event {
        // Authentic is not trustworthy: who sent the *mail* is another question. The ids are text of
        // the mail's author: `?` escapes them.
        Event::MailReceived(mail) if mail.sender_verified => {
            tracing::info!(?mail.agent_id, ?mail.message_id, "mail received");
        }
        Event::MailReceived(mail) => {
            tracing::warn!(?mail.agent_id, ?mail.message_id, "mail of an unverified sender");
        }
        other => tracing::info!(event = ?other, "not a mail"),
    }
}
