//! A table that others use as well: what leads where in it, and changes to it.

use super::batch::{Batch, Packets, SUBSYSTEM, head};
use super::expression::jumps;
use crate::error::Result;
use crate::netlink::{Answer, Op, Refusal, Socket, Writer, find};

/// A table of somebody else's.
#[derive(Debug)]
pub struct Foreign<'a> {
    socket: &'a mut Socket,
    packets: Packets,
    table: &'static str,
}

const GET_CHAIN: u16 = SUBSYSTEM | 4;
const GET_RULE: u16 = SUBSYSTEM | 7;
const ACK: u16 = 0x4;
const DUMP: u16 = 0x300;

impl<'a> Foreign<'a> {
    /// The table of a name.
    pub fn new(socket: &'a mut Socket, packets: Packets, table: &'static str) -> Self {
        Self { socket, packets, table }
    }

    /// The number of a chain; `None` when there is none of that name.
    ///
    /// # Errors
    /// The kernel's.
    pub fn chain(&mut self, name: &str) -> Result<Option<u64>> {
        let mut writer = self.socket.writer();
        writer.message(Op(GET_CHAIN, ACK), &head(self.packets as u8), |w| {
            w.text(1, self.table);
            w.text(3, name);
        });
        let answers = self.socket.exchange(writer)?;
        Ok(answers.first().and_then(|answer| number(answer.outcome.as_ref().ok()?.first()?, 2)))
    }

    /// Whether a rule of one chain leads to another one. Reads no further than it must: what leads to a shared chain
    /// stands before what each container has.
    ///
    /// # Errors
    /// The kernel's.
    pub fn leads(&mut self, from: &str, to: &str) -> Result<bool> {
        let Some(socket) = Socket::open_netfilter()? else { return Ok(false) };
        let writer = self.question(socket.writer(), from);
        socket.search(writer, |body| leads_to(body, to))
    }

    /// The numbers of all rules of a chain that lead to another one.
    ///
    /// # Errors
    /// The kernel's.
    pub fn rules_to(&mut self, from: &str, to: &str) -> Result<Vec<u64>> {
        let writer = self.question(self.socket.writer(), from);
        Ok(leading(self.socket.exchange(writer)?, to))
    }

    /// Those of some numbers that are rules of a chain and lead to another one.
    ///
    /// # Errors
    /// The kernel's.
    pub fn rules_among(&mut self, numbers: &[u64], from: &str, to: &str) -> Result<Vec<u64>> {
        let mut writer = self.socket.writer();
        for number in numbers {
            writer.message(Op(GET_RULE, ACK), &head(self.packets as u8), |w| {
                w.text(1, self.table);
                w.text(2, from);
                w.bytes(3, &number.to_be_bytes());
            });
        }
        Ok(leading(self.socket.exchange(writer)?, to))
    }

    /// Changes it, or refuses all of the change.
    ///
    /// # Errors
    /// The socket's.
    pub fn change(&mut self, build: impl FnOnce(&mut Batch)) -> Result<std::result::Result<(), Refusal>> {
        let mut batch = Batch::on(self.socket, (self.packets, self.table), None);
        build(&mut batch);
        let (writer, acknowledged) = batch.end();
        let answers = self.socket.transact(writer, acknowledged)?;
        Ok(answers.into_iter().find_map(|answer| answer.outcome.err()).map_or(Ok(()), Err))
    }

    /// Asks for all rules of a chain.
    fn question(&self, mut writer: Writer, chain: &str) -> Writer {
        writer.message(Op(GET_RULE, DUMP), &head(self.packets as u8), |w| {
            w.text(1, self.table);
            w.text(2, chain);
        });
        writer
    }
}

fn leading(answers: Vec<Answer>, to: &str) -> Vec<u64> {
    let rules = answers.into_iter().flat_map(|answer| answer.outcome.unwrap_or_default());
    rules.filter(|body| leads_to(body, to)).filter_map(|body| number(&body, 3)).collect()
}

fn leads_to(body: &[u8], chain: &str) -> bool {
    let expressions = body.get(4..).and_then(|attributes| find(attributes, 4));
    expressions.is_some_and(|list| jumps(list).any(|to| to == chain))
}

/// A number of eight bytes in network order.
fn number(body: &[u8], kind: u16) -> Option<u64> {
    find(body.get(4..)?, kind)?.try_into().ok().map(u64::from_be_bytes)
}
