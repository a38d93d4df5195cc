//! Constants of nf_tables: message types and common attributes (linux/netfilter/nf_tables.h).

const SUBSYSTEM: u16 = 10 << 8;

pub(super) const BEGIN: u16 = 0x10;
pub(super) const END: u16 = 0x11;
pub(super) const NEW_TABLE: u16 = SUBSYSTEM;
pub(super) const GET_TABLE: u16 = SUBSYSTEM | 1;
pub(super) const DELETE_TABLE: u16 = SUBSYSTEM | 2;
pub(super) const NEW_CHAIN: u16 = SUBSYSTEM | 3;
pub(super) const GET_CHAIN: u16 = SUBSYSTEM | 4;
pub(super) const DELETE_CHAIN: u16 = SUBSYSTEM | 5;
pub(super) const NEW_RULE: u16 = SUBSYSTEM | 6;
pub(super) const GET_RULE: u16 = SUBSYSTEM | 7;
pub(super) const DELETE_RULE: u16 = SUBSYSTEM | 8;
pub(super) const NEW_SET: u16 = SUBSYSTEM | 9;
pub(super) const GET_SET: u16 = SUBSYSTEM | 10;
pub(super) const NEW_ELEMENT: u16 = SUBSYSTEM | 12;
pub(super) const GET_ELEMENT: u16 = SUBSYSTEM | 13;
pub(super) const DELETE_ELEMENT: u16 = SUBSYSTEM | 14;
pub(super) const GET_GENERATION: u16 = SUBSYSTEM | 16;
pub(super) const NEW_OBJECT: u16 = SUBSYSTEM | 18;
pub(super) const GET_OBJECT: u16 = SUBSYSTEM | 19;
pub(super) const DELETE_OBJECT: u16 = SUBSYSTEM | 20;

/// `NFT_OBJECT_COUNTER`.
pub(super) const COUNTER: u32 = 1;

/// `NFT_REG32_00`, the first of the 4-byte registers.
pub(super) const FIRST_REGISTER: u32 = 8;
/// `NFT_META_L4PROTO`.
pub(super) const META_TRANSPORT: u32 = 16;
/// `NFT_CT_STATUS`.
pub(super) const CT_STATUS: u32 = 2;
/// `NFT_FIB_RESULT_ADDRTYPE`.
pub(super) const FIB_ADDRESS_TYPE: u32 = 3;
/// `NFT_PAYLOAD_LL_HEADER`, `NFT_PAYLOAD_NETWORK_HEADER`, `NFT_PAYLOAD_TRANSPORT_HEADER`.
pub(super) const HEADER_LINK: u32 = 0;
pub(super) const HEADER_NETWORK: u32 = 1;
pub(super) const HEADER_TRANSPORT: u32 = 2;

/// `NFTA_BATCH_`: attributes of the message that begins a transaction.
pub(super) mod batch_attribute {
    pub(in super::super) const GENERATION: u16 = 1;
}

/// `NFTA_GEN_`: attributes of the generation, which every transaction increments.
pub(super) mod generation_attribute {
    pub(in super::super) const ID: u16 = 1;
}

/// `NFTA_TABLE_`
pub(super) mod table_attribute {
    pub(in super::super) const NAME: u16 = 1;
    /// How many chains, sets and objects the table has.
    pub(in super::super) const USE: u16 = 3;
}

/// `NFTA_CHAIN_` and `NFTA_HOOK_`
pub(super) mod chain_attribute {
    pub(in super::super) const TABLE: u16 = 1;
    pub(in super::super) const HANDLE: u16 = 2;
    pub(in super::super) const NAME: u16 = 3;
    pub(in super::super) const HOOK: u16 = 4;
    pub(in super::super) const HOOK_NUMBER: u16 = 1;
    pub(in super::super) const HOOK_PRIORITY: u16 = 2;
    /// How many rules the chain has, and how many jump to it.
    pub(in super::super) const USE: u16 = 6;
    pub(in super::super) const TYPE: u16 = 7;
}

/// `NFTA_RULE_`
pub(super) mod rule_attribute {
    pub(in super::super) const TABLE: u16 = 1;
    pub(in super::super) const CHAIN: u16 = 2;
    pub(in super::super) const HANDLE: u16 = 3;
    pub(in super::super) const EXPRESSIONS: u16 = 4;
}

/// `NFTA_SET_`
pub(super) mod set_attribute {
    pub(in super::super) const TABLE: u16 = 1;
    pub(in super::super) const NAME: u16 = 2;
    pub(in super::super) const FLAGS: u16 = 3;
    pub(in super::super) const KEY_TYPE: u16 = 4;
    pub(in super::super) const KEY_LENGTH: u16 = 5;
    pub(in super::super) const DATA_TYPE: u16 = 6;
    pub(in super::super) const DATA_LENGTH: u16 = 7;
    /// Rules of the same transaction refer to a new set by its ID.
    pub(in super::super) const ID: u16 = 10;
}

/// `NFTA_SET_ELEM_LIST_` and `NFTA_SET_ELEM_`
pub(super) mod element_attribute {
    pub(in super::super) const TABLE: u16 = 1;
    pub(in super::super) const SET: u16 = 2;
    pub(in super::super) const LIST: u16 = 3;
    pub(in super::super) const KEY: u16 = 1;
    pub(in super::super) const DATA: u16 = 2;
    /// Data that the kernel stores without reading it; `nft` keeps comments here.
    pub(in super::super) const USER_DATA: u16 = 6;
}

/// `NFTA_OBJ_`
pub(super) mod object_attribute {
    pub(in super::super) const TABLE: u16 = 1;
    pub(in super::super) const NAME: u16 = 2;
    pub(in super::super) const TYPE: u16 = 3;
    pub(in super::super) const DATA: u16 = 4;
    /// As `element_attribute::USER_DATA`.
    pub(in super::super) const USER_DATA: u16 = 8;
}
