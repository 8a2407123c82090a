from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Hello(_message.Message):
    __slots__ = ("instance_id", "protocol_version_min", "protocol_version_max", "client", "acked_seq")
    INSTANCE_ID_FIELD_NUMBER: _ClassVar[int]
    PROTOCOL_VERSION_MIN_FIELD_NUMBER: _ClassVar[int]
    PROTOCOL_VERSION_MAX_FIELD_NUMBER: _ClassVar[int]
    CLIENT_FIELD_NUMBER: _ClassVar[int]
    ACKED_SEQ_FIELD_NUMBER: _ClassVar[int]
    instance_id: bytes
    protocol_version_min: int
    protocol_version_max: int
    client: str
    acked_seq: int
    def __init__(self, instance_id: _Optional[bytes] = ..., protocol_version_min: _Optional[int] = ..., protocol_version_max: _Optional[int] = ..., client: _Optional[str] = ..., acked_seq: _Optional[int] = ...) -> None: ...

class HelloAck(_message.Message):
    __slots__ = ("protocol_version", "last_seq", "message_bytes_max", "unacked_bytes_max", "token", "source_node_ref")
    PROTOCOL_VERSION_FIELD_NUMBER: _ClassVar[int]
    LAST_SEQ_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_BYTES_MAX_FIELD_NUMBER: _ClassVar[int]
    UNACKED_BYTES_MAX_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    SOURCE_NODE_REF_FIELD_NUMBER: _ClassVar[int]
    protocol_version: int
    last_seq: int
    message_bytes_max: int
    unacked_bytes_max: int
    token: str
    source_node_ref: str
    def __init__(self, protocol_version: _Optional[int] = ..., last_seq: _Optional[int] = ..., message_bytes_max: _Optional[int] = ..., unacked_bytes_max: _Optional[int] = ..., token: _Optional[str] = ..., source_node_ref: _Optional[str] = ...) -> None: ...

class Records(_message.Message):
    __slots__ = ("traces", "marks", "logs", "ended")
    TRACES_FIELD_NUMBER: _ClassVar[int]
    MARKS_FIELD_NUMBER: _ClassVar[int]
    LOGS_FIELD_NUMBER: _ClassVar[int]
    ENDED_FIELD_NUMBER: _ClassVar[int]
    traces: bytes
    marks: bytes
    logs: bytes
    ended: bytes
    def __init__(self, traces: _Optional[bytes] = ..., marks: _Optional[bytes] = ..., logs: _Optional[bytes] = ..., ended: _Optional[bytes] = ...) -> None: ...

class Ack(_message.Message):
    __slots__ = ("first_lsn", "last_lsn", "hlc_wall_ns", "hlc_logical", "token", "rejected_items", "rejected_reason", "duplicate")
    FIRST_LSN_FIELD_NUMBER: _ClassVar[int]
    LAST_LSN_FIELD_NUMBER: _ClassVar[int]
    HLC_WALL_NS_FIELD_NUMBER: _ClassVar[int]
    HLC_LOGICAL_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    REJECTED_ITEMS_FIELD_NUMBER: _ClassVar[int]
    REJECTED_REASON_FIELD_NUMBER: _ClassVar[int]
    DUPLICATE_FIELD_NUMBER: _ClassVar[int]
    first_lsn: int
    last_lsn: int
    hlc_wall_ns: int
    hlc_logical: int
    token: str
    rejected_items: int
    rejected_reason: str
    duplicate: bool
    def __init__(self, first_lsn: _Optional[int] = ..., last_lsn: _Optional[int] = ..., hlc_wall_ns: _Optional[int] = ..., hlc_logical: _Optional[int] = ..., token: _Optional[str] = ..., rejected_items: _Optional[int] = ..., rejected_reason: _Optional[str] = ..., duplicate: bool = ...) -> None: ...

class Nack(_message.Message):
    __slots__ = ("code", "text", "retry_after_ms")
    class Code(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        CODE_UNSPECIFIED: _ClassVar[Nack.Code]
        INVALID: _ClassVar[Nack.Code]
        TOO_LARGE: _ClassVar[Nack.Code]
        UNAVAILABLE: _ClassVar[Nack.Code]
        OUT_OF_ORDER: _ClassVar[Nack.Code]
        VERSION: _ClassVar[Nack.Code]
        PERMISSION_DENIED: _ClassVar[Nack.Code]
        PROTOCOL: _ClassVar[Nack.Code]
    CODE_UNSPECIFIED: Nack.Code
    INVALID: Nack.Code
    TOO_LARGE: Nack.Code
    UNAVAILABLE: Nack.Code
    OUT_OF_ORDER: Nack.Code
    VERSION: Nack.Code
    PERMISSION_DENIED: Nack.Code
    PROTOCOL: Nack.Code
    CODE_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    RETRY_AFTER_MS_FIELD_NUMBER: _ClassVar[int]
    code: Nack.Code
    text: str
    retry_after_ms: int
    def __init__(self, code: _Optional[_Union[Nack.Code, str]] = ..., text: _Optional[str] = ..., retry_after_ms: _Optional[int] = ...) -> None: ...

class Control(_message.Message):
    __slots__ = ("drain",)
    DRAIN_FIELD_NUMBER: _ClassVar[int]
    drain: bool
    def __init__(self, drain: bool = ...) -> None: ...

class RecordRequest(_message.Message):
    __slots__ = ("instance_id", "seq", "records")
    INSTANCE_ID_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    instance_id: bytes
    seq: int
    records: Records
    def __init__(self, instance_id: _Optional[bytes] = ..., seq: _Optional[int] = ..., records: _Optional[_Union[Records, _Mapping]] = ...) -> None: ...

class ClientMessage(_message.Message):
    __slots__ = ("seq", "hello", "records", "bye")
    SEQ_FIELD_NUMBER: _ClassVar[int]
    HELLO_FIELD_NUMBER: _ClassVar[int]
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    BYE_FIELD_NUMBER: _ClassVar[int]
    seq: int
    hello: Hello
    records: Records
    bye: Bye
    def __init__(self, seq: _Optional[int] = ..., hello: _Optional[_Union[Hello, _Mapping]] = ..., records: _Optional[_Union[Records, _Mapping]] = ..., bye: _Optional[_Union[Bye, _Mapping]] = ...) -> None: ...

class Bye(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class RecorderMessage(_message.Message):
    __slots__ = ("seq", "hello_ack", "ack", "nack", "control")
    SEQ_FIELD_NUMBER: _ClassVar[int]
    HELLO_ACK_FIELD_NUMBER: _ClassVar[int]
    ACK_FIELD_NUMBER: _ClassVar[int]
    NACK_FIELD_NUMBER: _ClassVar[int]
    CONTROL_FIELD_NUMBER: _ClassVar[int]
    seq: int
    hello_ack: HelloAck
    ack: Ack
    nack: Nack
    control: Control
    def __init__(self, seq: _Optional[int] = ..., hello_ack: _Optional[_Union[HelloAck, _Mapping]] = ..., ack: _Optional[_Union[Ack, _Mapping]] = ..., nack: _Optional[_Union[Nack, _Mapping]] = ..., control: _Optional[_Union[Control, _Mapping]] = ...) -> None: ...
