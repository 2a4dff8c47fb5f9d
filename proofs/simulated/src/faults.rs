use agentmail_simulator::{Agent, Fault, FaultPlan};

use crate::{drive::receive, receiver::Receiver};

/// Sends each fault once, in the first attempt. The receiver refuses what it must, and each mail
/// arrives, by the fault itself or by the retry.
///
/// `slow_body` is not among them: the receivers wait 10 seconds for a body.
pub async fn try_faults(agent: &Agent, receiver: &Receiver) {
    for (fault, status) in [
        (Fault::Forged, Some(403)),
        (Fault::Stale, Some(403)),
        (Fault::Future, Some(403)),
        (Fault::Unsigned, Some(403)),
        (Fault::Replayed, Some(200)),
        (Fault::Duplicated, Some(200)),
        (Fault::Truncated, Some(403)),
        (Fault::Oversized, Some(413)),
        (Fault::ConnectionCut, None),
        (Fault::WrongAgentId, Some(200)),
        (Fault::OldSecret, Some(403)),
        (Fault::RecodedBody, Some(403)),
        (Fault::FieldType, Some(200)),
    ] {
        agent.clear_faults().await.unwrap();
        agent.set_fault(FaultPlan::new(fault).with_first_attempts(1)).await.unwrap();
        let (mail, delivery) = receive(agent).await;

        let statuses: Vec<_> = delivery.attempts().map(|attempt| attempt.status()).collect();
        match status {
            // Only some receivers look at the agent.
            Some(200) if fault == Fault::WrongAgentId => {
                let refused = [Some(422), Some(200)];
                assert!(statuses == [status] || statuses == refused, "{fault}: {statuses:?}");
            }
            Some(200) => assert_eq!(statuses, [Some(200)], "{fault}"),
            // The receiver may still send a status.
            None => {
                let failed_once = matches!(*statuses, [first, _] if first != Some(200));
                assert!(failed_once, "{fault}: {statuses:?}");
            }
            status => assert_eq!(statuses, [status, Some(200)], "{fault}"),
        }
        receiver.wait_for(mail.message_id());
    }
    agent.clear_faults().await.unwrap();
}
