//! The messages of Pulsar's protocol that this connector says and hears, as `PulsarApi.proto` numbers them.
//!
//! What is not named here is skipped when it comes.

use prost::Message;

/// Which command a frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
pub(super) enum Kind {
    None = 0,
    Connect = 2,
    Connected = 3,
    Subscribe = 4,
    Producer = 5,
    Send = 6,
    SendReceipt = 7,
    SendError = 8,
    Message = 9,
    Ack = 10,
    Flow = 11,
    Success = 13,
    Error = 14,
    CloseProducer = 15,
    CloseConsumer = 16,
    ProducerSuccess = 17,
    Ping = 18,
    Pong = 19,
    PartitionedMetadata = 21,
    PartitionedMetadataResponse = 22,
    Lookup = 23,
    LookupResponse = 24,
    ReachedEndOfTopic = 27,
    Seek = 28,
    GetLastMessageId = 29,
    GetLastMessageIdResponse = 30,
    AuthChallenge = 36,
    AuthResponse = 37,
    AckResponse = 38,
    NewTxn = 50,
    NewTxnResponse = 51,
    AddPartitionToTxn = 52,
    AddPartitionToTxnResponse = 53,
    EndTxn = 56,
    EndTxnResponse = 57,
    TcClientConnectRequest = 62,
    TcClientConnectResponse = 63,
    TopicMigrated = 68,
}

/// One command: its kind, and the message of that kind.
#[derive(Clone, PartialEq, Message)]
pub(super) struct BaseCommand {
    #[prost(enumeration = "Kind", required, tag = "1")]
    pub(super) kind: i32,
    #[prost(message, optional, boxed, tag = "2")]
    pub(super) connect: Option<Box<CommandConnect>>,
    #[prost(message, optional, tag = "3")]
    pub(super) connected: Option<CommandConnected>,
    #[prost(message, optional, boxed, tag = "4")]
    pub(super) subscribe: Option<Box<CommandSubscribe>>,
    #[prost(message, optional, boxed, tag = "5")]
    pub(super) producer: Option<Box<CommandProducer>>,
    #[prost(message, optional, tag = "6")]
    pub(super) send: Option<CommandSend>,
    #[prost(message, optional, tag = "7")]
    pub(super) send_receipt: Option<CommandSendReceipt>,
    #[prost(message, optional, tag = "8")]
    pub(super) send_error: Option<CommandSendError>,
    #[prost(message, optional, tag = "9")]
    pub(super) message: Option<CommandMessage>,
    #[prost(message, optional, tag = "10")]
    pub(super) ack: Option<CommandAck>,
    #[prost(message, optional, tag = "11")]
    pub(super) flow: Option<CommandFlow>,
    #[prost(message, optional, tag = "13")]
    pub(super) success: Option<CommandSuccess>,
    #[prost(message, optional, tag = "14")]
    pub(super) error: Option<CommandError>,
    #[prost(message, optional, tag = "15")]
    pub(super) close_producer: Option<CommandClose>,
    #[prost(message, optional, tag = "16")]
    pub(super) close_consumer: Option<CommandClose>,
    #[prost(message, optional, tag = "17")]
    pub(super) producer_success: Option<CommandProducerSuccess>,
    #[prost(message, optional, tag = "18")]
    pub(super) ping: Option<Empty>,
    #[prost(message, optional, tag = "19")]
    pub(super) pong: Option<Empty>,
    #[prost(message, optional, tag = "21")]
    pub(super) partitions: Option<CommandPartitions>,
    #[prost(message, optional, tag = "22")]
    pub(super) partitions_response: Option<CommandPartitionsResponse>,
    #[prost(message, optional, tag = "23")]
    pub(super) lookup: Option<CommandLookup>,
    #[prost(message, optional, tag = "24")]
    pub(super) lookup_response: Option<CommandLookupResponse>,
    #[prost(message, optional, tag = "27")]
    pub(super) reached_end: Option<CommandOfConsumer>,
    #[prost(message, optional, tag = "28")]
    pub(super) seek: Option<CommandSeek>,
    #[prost(message, optional, tag = "29")]
    pub(super) last_message_id: Option<CommandOfConsumer>,
    #[prost(message, optional, tag = "30")]
    pub(super) last_message_id_response: Option<CommandLastMessageIdResponse>,
    #[prost(message, optional, tag = "36")]
    pub(super) auth_challenge: Option<CommandAuth>,
    #[prost(message, optional, tag = "37")]
    pub(super) auth_response: Option<CommandAuth>,
    #[prost(message, optional, tag = "38")]
    pub(super) ack_response: Option<CommandAckResponse>,
    #[prost(message, optional, tag = "50")]
    pub(super) new_txn: Option<CommandNewTxn>,
    #[prost(message, optional, tag = "51")]
    pub(super) new_txn_response: Option<CommandTxnResponse>,
    #[prost(message, optional, tag = "52")]
    pub(super) add_partition: Option<CommandAddPartition>,
    #[prost(message, optional, tag = "53")]
    pub(super) add_partition_response: Option<CommandTxnResponse>,
    #[prost(message, optional, tag = "56")]
    pub(super) end_txn: Option<CommandEndTxn>,
    #[prost(message, optional, tag = "57")]
    pub(super) end_txn_response: Option<CommandTxnResponse>,
    #[prost(message, optional, tag = "62")]
    pub(super) tc_connect: Option<CommandTcConnect>,
    #[prost(message, optional, tag = "63")]
    pub(super) tc_connect_response: Option<CommandTcConnectResponse>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Empty {}

#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub(super) struct MessageIdData {
    #[prost(uint64, required, tag = "1")]
    pub(super) ledger: u64,
    /// `u64::MAX` before the first one of a ledger.
    #[prost(uint64, required, tag = "2")]
    pub(super) entry: u64,
    #[prost(int32, optional, tag = "3")]
    pub(super) partition: Option<i32>,
    #[prost(int32, optional, tag = "4")]
    pub(super) batch_index: Option<i32>,
    #[prost(int32, optional, tag = "6")]
    pub(super) batch_size: Option<i32>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct KeyValue {
    #[prost(string, required, tag = "1")]
    pub(super) key: String,
    #[prost(string, required, tag = "2")]
    pub(super) value: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct EncryptionKeys {
    #[prost(string, required, tag = "1")]
    pub(super) key: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct MessageMetadata {
    #[prost(string, required, tag = "1")]
    pub(super) producer_name: String,
    #[prost(uint64, required, tag = "2")]
    pub(super) sequence_id: u64,
    #[prost(uint64, required, tag = "3")]
    pub(super) publish_time: u64,
    #[prost(message, repeated, tag = "4")]
    pub(super) properties: Vec<KeyValue>,
    #[prost(string, optional, tag = "6")]
    pub(super) partition_key: Option<String>,
    #[prost(int32, optional, tag = "8")]
    pub(super) compression: Option<i32>,
    #[prost(uint32, optional, tag = "9")]
    pub(super) uncompressed_size: Option<u32>,
    #[prost(int32, optional, tag = "11")]
    pub(super) messages: Option<i32>,
    #[prost(uint64, optional, tag = "12")]
    pub(super) event_time: Option<u64>,
    #[prost(message, repeated, tag = "13")]
    pub(super) encryption_keys: Vec<EncryptionKeys>,
    #[prost(bool, optional, tag = "17")]
    pub(super) key_is_base64: Option<bool>,
    #[prost(int64, optional, tag = "19")]
    pub(super) deliver_at: Option<i64>,
    #[prost(int32, optional, tag = "20")]
    pub(super) marker: Option<i32>,
    #[prost(uint64, optional, tag = "22")]
    pub(super) txn_least: Option<u64>,
    #[prost(uint64, optional, tag = "23")]
    pub(super) txn_most: Option<u64>,
    #[prost(uint64, optional, tag = "24")]
    pub(super) highest_sequence_id: Option<u64>,
    #[prost(bool, optional, tag = "25")]
    pub(super) null_value: Option<bool>,
    #[prost(int32, optional, tag = "27")]
    pub(super) chunks: Option<i32>,
    #[prost(int32, repeated, packed = "false", tag = "31")]
    pub(super) compacted_batch_indexes: Vec<i32>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct SingleMetadata {
    #[prost(message, repeated, tag = "1")]
    pub(super) properties: Vec<KeyValue>,
    #[prost(string, optional, tag = "2")]
    pub(super) partition_key: Option<String>,
    #[prost(int32, required, tag = "3")]
    pub(super) payload_size: i32,
    #[prost(bool, optional, tag = "4")]
    pub(super) compacted_out: Option<bool>,
    #[prost(uint64, optional, tag = "5")]
    pub(super) event_time: Option<u64>,
    #[prost(bool, optional, tag = "6")]
    pub(super) key_is_base64: Option<bool>,
    #[prost(uint64, optional, tag = "8")]
    pub(super) sequence_id: Option<u64>,
    #[prost(bool, optional, tag = "9")]
    pub(super) null_value: Option<bool>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct FeatureFlags {
    #[prost(bool, optional, tag = "1")]
    pub(super) auth_refresh: Option<bool>,
    #[prost(bool, optional, tag = "5")]
    pub(super) partitions_without_creation: Option<bool>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct CommandConnect {
    #[prost(string, required, tag = "1")]
    pub(super) client_version: String,
    #[prost(bytes = "vec", optional, tag = "3")]
    pub(super) auth_data: Option<Vec<u8>>,
    #[prost(int32, optional, tag = "4")]
    pub(super) protocol_version: Option<i32>,
    #[prost(string, optional, tag = "5")]
    pub(super) auth_method: Option<String>,
    #[prost(string, optional, tag = "6")]
    pub(super) proxy_to: Option<String>,
    #[prost(message, optional, tag = "10")]
    pub(super) features: Option<FeatureFlags>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct CommandConnected {
    #[prost(string, required, tag = "1")]
    pub(super) server_version: String,
    #[prost(int32, optional, tag = "2")]
    pub(super) protocol_version: Option<i32>,
    #[prost(int32, optional, tag = "3")]
    pub(super) message_bytes_max: Option<i32>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct AuthData {
    #[prost(string, optional, tag = "1")]
    pub(super) method: Option<String>,
    #[prost(bytes = "vec", optional, tag = "2")]
    pub(super) data: Option<Vec<u8>>,
}

/// A challenge, or the answer to one.
#[derive(Clone, PartialEq, Message)]
pub(super) struct CommandAuth {
    #[prost(string, optional, tag = "1")]
    pub(super) version: Option<String>,
    #[prost(message, optional, tag = "2")]
    pub(super) data: Option<AuthData>,
    #[prost(int32, optional, tag = "3")]
    pub(super) protocol_version: Option<i32>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct CommandSubscribe {
    #[prost(string, required, tag = "1")]
    pub(super) topic: String,
    #[prost(string, required, tag = "2")]
    pub(super) subscription: String,
    /// `0` is exclusive.
    #[prost(int32, required, tag = "3")]
    pub(super) kind: i32,
    #[prost(uint64, required, tag = "4")]
    pub(super) consumer: u64,
    #[prost(uint64, required, tag = "5")]
    pub(super) request: u64,
    #[prost(string, optional, tag = "6")]
    pub(super) name: Option<String>,
    #[prost(bool, optional, tag = "8")]
    pub(super) durable: Option<bool>,
    #[prost(message, optional, tag = "9")]
    pub(super) start: Option<MessageIdData>,
    /// `1` is the earliest message.
    #[prost(int32, optional, tag = "13")]
    pub(super) initial: Option<i32>,
    #[prost(bool, optional, tag = "15")]
    pub(super) create_topic: Option<bool>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct CommandPartitions {
    #[prost(string, required, tag = "1")]
    pub(super) topic: String,
    #[prost(uint64, required, tag = "2")]
    pub(super) request: u64,
    #[prost(bool, optional, tag = "6")]
    pub(super) create_topic: Option<bool>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct CommandPartitionsResponse {
    #[prost(uint32, optional, tag = "1")]
    pub(super) partitions: Option<u32>,
    #[prost(uint64, required, tag = "2")]
    pub(super) request: u64,
    /// `1` is a failure.
    #[prost(int32, optional, tag = "3")]
    pub(super) response: Option<i32>,
    #[prost(int32, optional, tag = "4")]
    pub(super) error: Option<i32>,
    #[prost(string, optional, tag = "5")]
    pub(super) message: Option<String>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct CommandLookup {
    #[prost(string, required, tag = "1")]
    pub(super) topic: String,
    #[prost(uint64, required, tag = "2")]
    pub(super) request: u64,
    #[prost(bool, optional, tag = "3")]
    pub(super) authoritative: Option<bool>,
    #[prost(string, optional, tag = "7")]
    pub(super) listener: Option<String>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct CommandLookupResponse {
    #[prost(string, optional, tag = "1")]
    pub(super) url: Option<String>,
    #[prost(string, optional, tag = "2")]
    pub(super) url_tls: Option<String>,
    /// `0`: ask there; `1`: connect there; `2`: a failure.
    #[prost(int32, optional, tag = "3")]
    pub(super) response: Option<i32>,
    #[prost(uint64, required, tag = "4")]
    pub(super) request: u64,
    #[prost(bool, optional, tag = "5")]
    pub(super) authoritative: Option<bool>,
    #[prost(int32, optional, tag = "6")]
    pub(super) error: Option<i32>,
    #[prost(string, optional, tag = "7")]
    pub(super) message: Option<String>,
    #[prost(bool, optional, tag = "8")]
    pub(super) through_proxy: Option<bool>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct CommandProducer {
    #[prost(string, required, tag = "1")]
    pub(super) topic: String,
    #[prost(uint64, required, tag = "2")]
    pub(super) producer: u64,
    #[prost(uint64, required, tag = "3")]
    pub(super) request: u64,
    #[prost(string, optional, tag = "4")]
    pub(super) name: Option<String>,
    #[prost(uint64, optional, tag = "8")]
    pub(super) epoch: Option<u64>,
    #[prost(bool, optional, tag = "9")]
    pub(super) name_is_users: Option<bool>,
    #[prost(bool, optional, tag = "12")]
    pub(super) transactions: Option<bool>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct CommandProducerSuccess {
    #[prost(uint64, required, tag = "1")]
    pub(super) request: u64,
    #[prost(string, required, tag = "2")]
    pub(super) name: String,
    #[prost(int64, optional, tag = "3")]
    pub(super) last_sequence_id: Option<i64>,
    #[prost(bool, optional, tag = "6")]
    pub(super) ready: Option<bool>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct CommandSend {
    #[prost(uint64, required, tag = "1")]
    pub(super) producer: u64,
    #[prost(uint64, required, tag = "2")]
    pub(super) sequence_id: u64,
    #[prost(int32, optional, tag = "3")]
    pub(super) messages: Option<i32>,
    #[prost(uint64, optional, tag = "4")]
    pub(super) txn_least: Option<u64>,
    #[prost(uint64, optional, tag = "5")]
    pub(super) txn_most: Option<u64>,
    #[prost(uint64, optional, tag = "6")]
    pub(super) highest_sequence_id: Option<u64>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct CommandSendReceipt {
    #[prost(uint64, required, tag = "1")]
    pub(super) producer: u64,
    #[prost(uint64, required, tag = "2")]
    pub(super) sequence_id: u64,
    #[prost(message, optional, tag = "3")]
    pub(super) message_id: Option<MessageIdData>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct CommandSendError {
    #[prost(uint64, required, tag = "1")]
    pub(super) producer: u64,
    #[prost(uint64, required, tag = "2")]
    pub(super) sequence_id: u64,
    #[prost(int32, required, tag = "3")]
    pub(super) error: i32,
    #[prost(string, required, tag = "4")]
    pub(super) message: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct CommandMessage {
    #[prost(uint64, required, tag = "1")]
    pub(super) consumer: u64,
    #[prost(message, required, tag = "2")]
    pub(super) message_id: MessageIdData,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct CommandAck {
    #[prost(uint64, required, tag = "1")]
    pub(super) consumer: u64,
    /// `1` is all up to this one.
    #[prost(int32, required, tag = "2")]
    pub(super) kind: i32,
    #[prost(message, repeated, tag = "3")]
    pub(super) message_ids: Vec<MessageIdData>,
    #[prost(uint64, optional, tag = "8")]
    pub(super) request: Option<u64>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct CommandAckResponse {
    #[prost(uint64, required, tag = "1")]
    pub(super) consumer: u64,
    #[prost(int32, optional, tag = "4")]
    pub(super) error: Option<i32>,
    #[prost(string, optional, tag = "5")]
    pub(super) message: Option<String>,
    #[prost(uint64, optional, tag = "6")]
    pub(super) request: Option<u64>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct CommandFlow {
    #[prost(uint64, required, tag = "1")]
    pub(super) consumer: u64,
    #[prost(uint32, required, tag = "2")]
    pub(super) permits: u32,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct CommandSeek {
    #[prost(uint64, required, tag = "1")]
    pub(super) consumer: u64,
    #[prost(uint64, required, tag = "2")]
    pub(super) request: u64,
    #[prost(message, optional, tag = "3")]
    pub(super) message_id: Option<MessageIdData>,
    #[prost(uint64, optional, tag = "4")]
    pub(super) publish_time: Option<u64>,
}

/// Something about a consumer, perhaps with an answer.
#[derive(Clone, PartialEq, Message)]
pub(super) struct CommandOfConsumer {
    #[prost(uint64, required, tag = "1")]
    pub(super) consumer: u64,
    #[prost(uint64, optional, tag = "2")]
    pub(super) request: Option<u64>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct CommandLastMessageIdResponse {
    #[prost(message, required, tag = "1")]
    pub(super) last: MessageIdData,
    #[prost(uint64, required, tag = "2")]
    pub(super) request: u64,
    #[prost(message, optional, tag = "3")]
    pub(super) mark_delete: Option<MessageIdData>,
}

/// A producer or a consumer is closed, by either side.
#[derive(Clone, PartialEq, Message)]
pub(super) struct CommandClose {
    #[prost(uint64, required, tag = "1")]
    pub(super) id: u64,
    #[prost(uint64, required, tag = "2")]
    pub(super) request: u64,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct CommandSuccess {
    #[prost(uint64, required, tag = "1")]
    pub(super) request: u64,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct CommandError {
    #[prost(uint64, required, tag = "1")]
    pub(super) request: u64,
    #[prost(int32, required, tag = "2")]
    pub(super) error: i32,
    #[prost(string, required, tag = "3")]
    pub(super) message: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct CommandTcConnect {
    #[prost(uint64, required, tag = "1")]
    pub(super) request: u64,
    #[prost(uint64, required, tag = "2")]
    pub(super) coordinator: u64,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct CommandTcConnectResponse {
    #[prost(uint64, required, tag = "1")]
    pub(super) request: u64,
    #[prost(int32, optional, tag = "2")]
    pub(super) error: Option<i32>,
    #[prost(string, optional, tag = "3")]
    pub(super) message: Option<String>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct CommandNewTxn {
    #[prost(uint64, required, tag = "1")]
    pub(super) request: u64,
    /// Its name is `txn_ttl_seconds`, but clients write and brokers read milliseconds.
    #[prost(uint64, optional, tag = "2")]
    pub(super) ttl_ms: Option<u64>,
    #[prost(uint64, optional, tag = "3")]
    pub(super) coordinator: Option<u64>,
}

/// The answer to whatever is asked of a transaction.
#[derive(Clone, PartialEq, Message)]
pub(super) struct CommandTxnResponse {
    #[prost(uint64, required, tag = "1")]
    pub(super) request: u64,
    #[prost(uint64, optional, tag = "2")]
    pub(super) least: Option<u64>,
    #[prost(uint64, optional, tag = "3")]
    pub(super) most: Option<u64>,
    #[prost(int32, optional, tag = "4")]
    pub(super) error: Option<i32>,
    #[prost(string, optional, tag = "5")]
    pub(super) message: Option<String>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct CommandAddPartition {
    #[prost(uint64, required, tag = "1")]
    pub(super) request: u64,
    #[prost(uint64, optional, tag = "2")]
    pub(super) least: Option<u64>,
    #[prost(uint64, optional, tag = "3")]
    pub(super) most: Option<u64>,
    #[prost(string, repeated, tag = "4")]
    pub(super) partitions: Vec<String>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct CommandEndTxn {
    #[prost(uint64, required, tag = "1")]
    pub(super) request: u64,
    #[prost(uint64, optional, tag = "2")]
    pub(super) least: Option<u64>,
    #[prost(uint64, optional, tag = "3")]
    pub(super) most: Option<u64>,
    /// `0` commits, `1` aborts.
    #[prost(int32, optional, tag = "4")]
    pub(super) action: Option<i32>,
}
