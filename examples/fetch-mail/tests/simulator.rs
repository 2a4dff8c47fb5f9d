//! The receiver, driven by the simulator, with the simulator's folder as the bucket.

use std::fs;

use agentmail_simulated::{Program, drive_with, quick_retries};
use agentmail_simulator::{DeliveryState, Mail, Simulator};

const PROGRAM: &str = env!("CARGO_BIN_EXE_fetch_mail");

#[tokio::test]
async fn the_receiver_reads_each_mail_from_the_simulators_folder() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("file://{}", folder.path().display());
    let program = Program::new(PROGRAM).with_variable("MAILS", url);

    drive_with(&program, || Simulator::builder().with_bucket_folder(folder.path())).await;
}

#[tokio::test]
async fn a_mail_that_is_not_in_the_bucket_is_refused_until_it_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let builder = Simulator::builder().with_bucket_folder(folder.path());
    let simulator = builder.with_retry(quick_retries()).start().await.unwrap();
    let agent = simulator.agent("my-agent").await.unwrap();
    let secret = agent.set_webhook("http://127.0.0.1:9/").await.unwrap();
    let url = format!("file://{}", elsewhere.path().display());
    let receiver = Program::new(PROGRAM).with_variable("MAILS", url).start(&secret);
    agent.set_webhook(receiver.url()).await.unwrap();

    let mail = agent.receive(Mail::new("user@example.com").with_text("Hello")).await.unwrap();
    assert_eq!(mail.delivery().await.unwrap().status(), Some(422));

    let copy = elsewhere.path().join(mail.s3_key());
    fs::create_dir_all(copy.parent().unwrap()).unwrap();
    fs::copy(folder.path().join(mail.s3_key()), copy).unwrap();
    agent.redrive().await.unwrap();
    assert_eq!(mail.delivery().await.unwrap().state(), DeliveryState::Delivered);
    receiver.wait_for(mail.message_id());
}
