use rusqlite::Transaction;

use crate::{
    lease::Lease,
    message::{FinishError, FinishTransaction},
    sql::SQLITE_FINISH,
};

impl FinishTransaction for &Transaction<'_> {
    type Output = Result<(), FinishError>;

    fn finish(self, lease: Lease) -> Self::Output {
        let finished = self
            .prepare_cached(SQLITE_FINISH)
            .and_then(|mut finish| finish.execute((lease.id().get(), lease.take())));
        match finished {
            Ok(1) => Ok(()),
            Ok(_) => Err(FinishError::Lost),
            Err(error) => Err(FinishError::Database(error.into())),
        }
    }
}
