//! Pairs the messages that the kernel sends with the requests that they answer.

use crate::message::{Message, find_text, read_u32};
use rustix::io::Errno;
use std::ops::Range;

/// `NLMSG_ERROR` and `NLMSG_DONE`.
const ERROR: u16 = 2;
const DONE: u16 = 3;
/// `NLM_F_DUMP_INTR`: the listed objects changed during the dump, so that some may be missing.
const INTERRUPTED: u16 = 0x10;
/// `NLM_F_CAPPED`: the error repeats only the header of the request.
const CAPPED: u16 = 0x100;
/// `NLM_F_ACK_TLVS`: attributes follow the error.
const ACK_ATTRIBUTES: u16 = 0x200;
/// `NLMSGERR_ATTR_MSG`: the kernel's text.
const ATTRIBUTE_TEXT: u16 = 1;

/// Why the kernel refused a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The error number.
    pub errno: Errno,
    /// The text of the extended acknowledgement; empty if the kernel sent none.
    pub text: String,
}

/// The kernel's answer to one message.
#[derive(Debug)]
pub struct Answer {
    /// The sequence number of the message.
    pub sequence: u32,
    /// The bodies of the replies, without the netlink header.
    pub outcome: Result<Vec<Vec<u8>>, Refusal>,
}

/// The answers received so far, one for each message sent.
pub(crate) struct Pending {
    pub(crate) answers: Vec<Answer>,
    pub(crate) interrupted: bool,
    finished: Vec<bool>,
    first: u32,
}

impl Pending {
    pub(crate) fn new(sequences: Range<u32>) -> Self {
        let first = sequences.start;
        let answers: Vec<Answer> =
            sequences.map(|sequence| Answer { sequence, outcome: Ok(Vec::new()) }).collect();
        Self { finished: vec![false; answers.len()], answers, first, interrupted: false }
    }

    fn position(&self, sequence: u32) -> usize {
        usize::try_from(sequence.wrapping_sub(self.first)).unwrap_or(usize::MAX)
    }

    pub(crate) fn is_finished(&self, sequence: u32) -> bool {
        self.finished.get(self.position(sequence)).copied().unwrap_or(true)
    }

    pub(crate) fn is_refused(&self, sequence: u32) -> bool {
        self.answers.get(self.position(sequence)).is_none_or(|answer| answer.outcome.is_err())
    }

    /// Adds a received message to its answer. Drops answers to messages of an earlier exchange.
    pub(crate) fn add(&mut self, message: &Message<'_>) {
        let position = self.position(message.sequence);
        let (Some(answer), Some(finished)) =
            (self.answers.get_mut(position), self.finished.get_mut(position))
        else {
            return;
        };
        self.interrupted |= message.flags & INTERRUPTED != 0;
        match message.kind {
            ERROR => {
                if let Some(refusal) = refusal(message) {
                    answer.outcome = Err(refusal);
                }
                *finished = true;
            }
            DONE => *finished = true,
            _ => {
                if let Ok(replies) = &mut answer.outcome {
                    replies.push(message.body.to_vec());
                }
            }
        }
    }
}

/// Reads an `NLMSG_ERROR`; `None` if it is an acknowledgement, an error with number 0.
fn refusal(message: &Message<'_>) -> Option<Refusal> {
    let number = i32::from_ne_bytes(message.body.get(..4)?.try_into().ok()?);
    let errno = if number == 0 { return None } else { Errno::from_raw_os_error(number.wrapping_neg()) };
    let text = match message.flags & ACK_ATTRIBUTES {
        0 => String::new(),
        _ => find_text(extended(message).unwrap_or_default(), ATTRIBUTE_TEXT),
    };
    Some(Refusal { errno, text })
}

/// Returns the attributes of an extended acknowledgement. They follow the error number and the repeated request; the kernel
/// repeats only its header if the answer is capped.
fn extended<'a>(message: &Message<'a>) -> Option<&'a [u8]> {
    let repeated = match message.flags & CAPPED {
        0 => usize::try_from(read_u32(message.body, 4)?).ok()?.next_multiple_of(4),
        _ => 16,
    };
    message.body.get(4 + repeated..)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interrupted_dump_is_detected() {
        let add = |flags| {
            let mut pending = Pending::new(7..8);
            pending.add(&Message { kind: 16, flags, sequence: 7, body: &[0; 16] });
            (pending.interrupted, pending.answers.len())
        };
        assert_eq!((add(2), add(2 | INTERRUPTED)), ((false, 1), (true, 1)));
    }
}
