use std::pin::Pin;

use tokio_postgres::{Transaction, types::Type};

use super::error::PostgresError;
use crate::{
    lease::Lease,
    message::{FinishError, FinishTransaction},
    sql::POSTGRES_FINISH,
};

impl<'a> FinishTransaction for &'a Transaction<'_> {
    type Output = Pin<Box<dyn Future<Output = Result<(), FinishError>> + Send + 'a>>;

    fn finish(self, lease: Lease) -> Self::Output {
        Box::pin(async move {
            let (id, take) = (lease.id().get(), lease.take());
            // With the types, the statement needs one round trip.
            let parameters = [(&id as _, Type::INT8), (&take as _, Type::INT8)];
            match self.execute_typed(POSTGRES_FINISH, &parameters).await {
                Ok(1) => Ok(()),
                Ok(_) => Err(FinishError::Lost),
                Err(error) => Err(FinishError::Database(PostgresError::from(error).into())),
            }
        })
    }
}
