//! The records of facts. nf_tables limits the length of each.

use super::batch::LONGEST_COMMENT;

/// Returns the readable form of an attachment's table name.
pub(super) fn owner(name: &str) -> &str {
    name.strip_prefix("at/").unwrap_or(name)
}

pub(super) fn record_name(name: &str, number: usize) -> String {
    if number == 0 { name.to_owned() } else { format!("{name}/{number}") }
}

const BETWEEN: &str = ", ";

/// Packs facts into as few records as possible.
pub(super) fn pack(facts: &[String]) -> Vec<String> {
    let mut records: Vec<String> = Vec::new();
    for fact in facts {
        match records.last_mut() {
            Some(last) if last.len() + BETWEEN.len() + fact.len() <= LONGEST_COMMENT => {
                last.push_str(BETWEEN);
                last.push_str(fact);
            }
            _ => records.push(fact.clone()),
        }
    }
    records
}

pub(super) fn facts_of(records: &[String]) -> Vec<String> {
    records.iter().flat_map(|record| record.split(BETWEEN)).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_survive_packing_into_records() {
        let facts: Vec<String> = (0..100).map(|n| format!("tcp 0.0.0.0:{n} 10.88.0.5/16:{n} snat")).collect();
        let records = pack(&facts);
        assert!(records.len() < 20 && records.iter().all(|record| record.len() <= LONGEST_COMMENT));
        assert_eq!(facts_of(&records), facts);
    }
}
