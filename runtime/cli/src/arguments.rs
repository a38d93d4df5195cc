//! The options and operands of a verb.

use tare_engine::Error;

/// Options and operands. A switch has the value `true`.
#[derive(Debug, Default)]
pub(crate) struct Arguments {
    /// Options before the verb.
    pub(crate) global: Vec<(&'static str, String)>,
    /// Options of the verb.
    pub(crate) own: Vec<(&'static str, String)>,
    /// The operands.
    pub(crate) operands: Vec<String>,
}

impl Arguments {
    /// The last value of an option of the verb.
    pub(crate) fn value(&self, long: &str) -> Option<&str> {
        last(&self.own, long)
    }

    /// Whether a switch of the verb is set.
    pub(crate) fn is_set(&self, long: &str) -> bool {
        self.value(long).is_some_and(|value| value != "false")
    }

    /// All values of a repeatable option, in order.
    pub(crate) fn values(&self, long: &str) -> Vec<String> {
        self.own.iter().filter(|(name, _)| *name == long).map(|(_, value)| value.clone()).collect()
    }

    /// The last value of an option of the verb, as a number.
    ///
    /// # Errors
    /// When the value is not a number of this type.
    pub(crate) fn number<N: std::str::FromStr>(&self, long: &str) -> Result<Option<N>, Error> {
        let wrong = |text: &str| Error::Usage(format!("invalid --{long} {text:?}: expected a number"));
        self.value(long).map(|text| text.parse().map_err(|_| wrong(text))).transpose()
    }

    /// The last value of an option before the verb. An empty value counts as none: engines pass options that they have no value
    /// for.
    pub(crate) fn global(&self, long: &str) -> Option<&str> {
        last(&self.global, long).filter(|value| !value.is_empty())
    }

    /// Whether a switch before the verb is set.
    pub(crate) fn is_global_set(&self, long: &str) -> bool {
        self.global(long).is_some_and(|value| value != "false")
    }

    /// The container ID: the first operand, which the table makes mandatory.
    pub(crate) fn id(&self) -> &str {
        self.operands.first().map_or("", String::as_str)
    }
}

fn last<'text>(options: &'text [(&'static str, String)], long: &str) -> Option<&'text str> {
    options.iter().rev().find(|(name, _)| *name == long).map(|(_, value)| value.as_str())
}
