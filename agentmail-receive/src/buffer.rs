use bytes::{Buf, Bytes, BytesMut};

use crate::refusal::Refusal;

/// Collects a body of a limited length. It grows with the bytes that have arrived, never with the
/// declared length. A body of one piece is not copied.
#[derive(Debug)]
pub(crate) struct Buffer {
    limit: usize,
    left: usize,
    pieces: Pieces,
}

#[derive(Debug)]
enum Pieces {
    One(Bytes),
    Joined(BytesMut),
}

impl Buffer {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, left: limit, pieces: Pieces::One(Bytes::new()) }
    }

    pub(crate) fn push(&mut self, mut piece: impl Buf) -> Result<(), Refusal> {
        let len = piece.remaining();
        self.left =
            self.left.checked_sub(len).ok_or(Refusal::BodyTooLarge { limit: self.limit })?;
        match &mut self.pieces {
            _ if len == 0 => {}
            Pieces::One(first) if first.is_empty() => *first = piece.copy_to_bytes(len),
            Pieces::One(first) => {
                let mut joined = BytesMut::from(std::mem::take(first));
                joined.extend_from_slice(&piece.copy_to_bytes(len));
                self.pieces = Pieces::Joined(joined);
            }
            Pieces::Joined(joined) => joined.extend_from_slice(&piece.copy_to_bytes(len)),
        }
        Ok(())
    }

    /// Returns what has arrived, and leaves the buffer empty.
    pub(crate) fn take(&mut self) -> Bytes {
        match std::mem::replace(&mut self.pieces, Pieces::One(Bytes::new())) {
            Pieces::One(body) => body,
            Pieces::Joined(body) => body.freeze(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hands_a_body_of_one_piece_on_without_a_copy() {
        let piece = Bytes::from(vec![b'x'; 1_000]);
        let mut buffer = Buffer::new(1_000);

        for part in [Bytes::new(), piece.clone(), Bytes::new()] {
            buffer.push(part).unwrap();
        }

        assert_eq!(buffer.take().as_ptr(), piece.as_ptr());
    }

    #[test]
    fn joins_pieces_in_order() {
        let mut buffer = Buffer::new(10);

        for piece in ["ab", "", "cd", "e"] {
            buffer.push(piece.as_bytes()).unwrap();
        }

        assert_eq!(buffer.take(), "abcde");
    }

    #[test]
    fn grows_with_what_has_arrived() {
        let mut buffer = Buffer::new(1 << 30);

        for piece in [&[b'x'; 100][..], &[b'x'; 100]] {
            buffer.push(piece).unwrap();
        }

        let Pieces::Joined(joined) = &buffer.pieces else { panic!("two pieces are joined") };
        assert!(joined.capacity() < 1_000, "{} bytes", joined.capacity());
    }

    #[test]
    fn takes_exactly_the_limit_and_not_a_byte_more() {
        for (limit, pieces, fits) in [
            (4, ["abcd", ""], true),
            (4, ["abc", "d"], true),
            (4, ["abc", "de"], false),
            (4, ["abcde", ""], false),
            (0, ["", ""], true),
            (0, ["a", ""], false),
        ] {
            let mut buffer = Buffer::new(limit);

            let outcome = pieces.iter().try_for_each(|piece| buffer.push(piece.as_bytes()));

            let expected = if fits { Ok(()) } else { Err(Refusal::BodyTooLarge { limit }) };
            assert_eq!(outcome, expected, "{limit} bytes for {pieces:?}");
        }
    }
}
