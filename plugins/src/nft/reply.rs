//! What nf_tables answers to questions.

use crate::error::Result;
use crate::netlink::{Answer, Refusal, attributes, find};
use rustix::io::Errno;

/// A number in network order out of the one reply to a request; `None` when what was asked for is not there.
pub(super) fn number_in(answer: Answer, kind: u16) -> Result<Option<u32>> {
    match answer.outcome {
        Ok(replies) => {
            let body = replies.first().and_then(|body| body.get(4..)).unwrap_or_default();
            Ok(find(body, kind).and_then(|bytes| bytes.try_into().ok()).map(u32::from_be_bytes))
        }
        // A kernel without nf_tables knows neither the table nor the question.
        Err(Refusal { errno: Errno::NOENT | Errno::INVAL | Errno::OPNOTSUPP, .. }) => Ok(None),
        Err(refusal) => Err(refusal.error("read the tables of nftables")),
    }
}

pub(super) fn content_in(replies: &[Vec<u8>]) -> Option<String> {
    comment(find(replies.first()?.get(4..)?, 8)?)
}

pub(super) fn owner_in(replies: &[Vec<u8>]) -> Option<String> {
    let list = find(replies.first()?.get(4..)?, 3)?;
    let (_, element) = attributes(list).next()?;
    Some(find(element, 6).and_then(comment).unwrap_or_default())
}

/// The text of a comment as `nft` writes it.
fn comment(bytes: &[u8]) -> Option<String> {
    let [0, length, rest @ ..] = bytes else { return None };
    let text = rest.get(..usize::from(*length).checked_sub(1)?)?;
    Some(String::from_utf8_lossy(text).into_owned())
}
