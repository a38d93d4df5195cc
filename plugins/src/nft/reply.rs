//! Reads the answers to queries.

use super::constants::{element_attribute, object_attribute};
use crate::error::{Error, Result};
use rustix::io::Errno;
use tare_netlink::{Answer, Refusal, attributes, find};

/// Returns the replies; `None` if the object does not exist. Any other refusal is an error: the object may exist.
pub(super) fn found(answer: Answer) -> Result<Option<Vec<Vec<u8>>>> {
    match answer.outcome {
        Ok(replies) => Ok(Some(replies)),
        // A kernel without nf_tables knows neither the table nor the query.
        Err(Refusal { errno: Errno::NOENT | Errno::INVAL | Errno::OPNOTSUPP, .. }) => Ok(None),
        Err(refusal) => Err(Error::refused("read the tables of nftables", &refusal)),
    }
}

/// Returns a number in network byte order from the only reply; `None` if the object does not exist.
pub(super) fn number_in(answer: Answer, kind: u16) -> Result<Option<u32>> {
    let number = |replies: Vec<Vec<u8>>| {
        find(replies.first()?.get(4..)?, kind)?.try_into().ok().map(u32::from_be_bytes)
    };
    Ok(found(answer)?.and_then(number))
}

pub(super) fn content_in(replies: &[Vec<u8>]) -> Option<String> {
    comment(find(replies.first()?.get(4..)?, object_attribute::USER_DATA)?)
}

pub(super) fn owner_in(replies: &[Vec<u8>]) -> Option<String> {
    let list = find(replies.first()?.get(4..)?, element_attribute::LIST)?;
    let (_, element) = attributes(list).next()?;
    Some(find(element, element_attribute::USER_DATA).and_then(comment).unwrap_or_default())
}

/// Reads a comment in the format of `nft`.
fn comment(bytes: &[u8]) -> Option<String> {
    let [0, length, rest @ ..] = bytes else { return None };
    let text = rest.get(..usize::from(*length).checked_sub(1)?)?;
    Some(String::from_utf8_lossy(text).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unreadable_object_does_not_count_as_missing() {
        let refused = |errno| Answer { sequence: 1, outcome: Err(Refusal { errno, text: String::new() }) };
        assert_eq!(found(refused(Errno::NOENT)), Ok(None));
        assert_eq!(found(refused(Errno::PERM)).unwrap_err().code, 5);
        assert_eq!(number_in(refused(Errno::AGAIN), 1).unwrap_err().code, 11);
    }
}
