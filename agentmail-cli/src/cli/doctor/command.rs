use std::time::Duration;

use agentmail_verify::Signer;

use super::{basics, check::Report, clock, deliver, network, oversized::Oversized, secret};
use crate::{
    cli::{
        args::DoctorArgs,
        exit::Exit,
        failure::Failure,
        output::Output,
        send::{sender, trust},
    },
    sender::Target,
};

pub(in crate::cli) fn run(arguments: &DoctorArgs, output: &Output) -> Result<Exit, Failure> {
    let mut report = Report::new(output);
    let Some(url) = &arguments.url else {
        secret::check(&arguments.secret, &mut report)?;
        return Ok(report.exit());
    };
    let target = Target::parse(url)?;
    let signer = match arguments.deliver {
        true => Some(Signer::new(arguments.secret.required()?)),
        false => None,
    };
    let trust = trust(&arguments.connect)?;
    let timeout = Duration::from_secs(arguments.connect.timeout.into());
    network::check(&target, &trust, timeout, &mut report)?;

    let sender = sender(None, &arguments.connect)?;
    let basics = basics::check(&sender, &target, url, &mut report)?;
    if basics.refuses {
        let accepted = match &signer {
            Some(signer) => deliver::check(&sender, signer, url, &arguments.agent, &mut report)?,
            None => false,
        };
        let oversized = Oversized { target: &target, trust: &trust, timeout };
        clock::check(&oversized, &basics, accepted, &mut report)?;
    }
    if basics.refuses && !arguments.deliver {
        report.note("secret", "not compared with the receiver's: that needs --deliver");
    }
    Ok(report.exit())
}
