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
