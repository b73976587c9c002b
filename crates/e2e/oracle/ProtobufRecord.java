import com.google.protobuf.Descriptors.Descriptor;
import com.google.protobuf.Descriptors.EnumDescriptor;
import com.google.protobuf.Descriptors.FieldDescriptor;
import com.google.protobuf.DynamicMessage;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Random;
import org.apache.flink.formats.protobuf.PbFormatConfig;
import org.apache.flink.formats.protobuf.deserialize.PbRowDataDeserializationSchema;
import org.apache.flink.formats.protobuf.serialize.PbRowDataSerializationSchema;
import org.apache.flink.formats.protobuf.util.PbFormatUtils;
import org.apache.flink.formats.protobuf.util.PbToRowTypeUtil;
import org.apache.flink.table.data.ArrayData;
import org.apache.flink.table.data.GenericArrayData;
import org.apache.flink.table.data.GenericMapData;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.runtime.typeutils.InternalTypeInfo;
import org.apache.flink.table.types.logical.ArrayType;
import org.apache.flink.table.types.logical.LogicalType;
import org.apache.flink.table.types.logical.MapType;
import org.apache.flink.table.types.logical.RowType;

/**
 * Writes what Flink's protobuf format makes of messages, good and damaged: a line has the class, whether enums are
 * numbers, whether defaults are read, the message, the row (or ERROR), and the message that Flink writes of the row.
 *
 * <p>Needs flink-protobuf, protobuf-java, janino, Flink's own jars and the classes that protoc makes of
 * crates/formats/src/protobuf/flink/*.proto; prints crates/formats/src/protobuf/flink/messages.tsv. A number as argument makes so many times more of them,
 * and the argument nulls prints crates/formats/src/protobuf/flink/nulls.tsv instead.
 */
public class ProtobufRecord {
    static final Random RANDOM = new Random(42);
    static int scale = 1;

    public static void main(String[] args) throws Exception {
        if (args.length > 0 && args[0].equals("nulls")) {
            nulls();
            return;
        }
        if (args.length > 0) scale = Integer.parseInt(args[0]);
        for (String name : new String[] {"org.flott.three.Types3$All", "org.flott.two.Second$All"}) {
            Descriptor descriptor = PbFormatUtils.getDescriptor(name);
            List<byte[]> messages = messages(descriptor);
            for (boolean numbers : new boolean[] {false, true}) {
                for (boolean defaults : new boolean[] {false, true}) {
                    RowType type = PbToRowTypeUtil.generateRowType(descriptor, numbers);
                    PbFormatConfig config = new PbFormatConfig(name, false, defaults, "NIL");
                    var read = new PbRowDataDeserializationSchema(type, InternalTypeInfo.of(type), config);
                    read.open(null);
                    var write = new PbRowDataSerializationSchema(type, config);
                    write.open(null);
                    for (byte[] message : messages) {
                        if (numbers && RANDOM.nextInt(4) > 0) continue;
                        String head = String.join("\t", name, "" + numbers, "" + defaults, hex(message));
                        RowData row;
                        try {
                            row = read.deserialize(message);
                        } catch (Exception e) {
                            System.out.println(head + "\tERROR\t");
                            continue;
                        }
                        String again;
                        try {
                            again = hex(write.serialize(row));
                        } catch (Exception e) {
                            again = "ERROR";
                        }
                        System.out.println(head + "\t" + text(row, type) + "\t" + again);
                    }
                }
            }
        }
    }

    /** What Flink writes for a null in each list and for a null under null in each map. */
    static void nulls() throws Exception {
        for (String name : new String[] {"org.flott.three.Types3$All", "org.flott.two.Second$All"}) {
            for (boolean numbers : new boolean[] {false, true}) {
                RowType type = PbToRowTypeUtil.generateRowType(PbFormatUtils.getDescriptor(name), numbers);
                var write = new PbRowDataSerializationSchema(type, new PbFormatConfig(name, false, false, "NIL"));
                write.open(null);
                GenericRowData row = new GenericRowData(type.getFieldCount());
                for (int i = 0; i < type.getFieldCount(); i++) {
                    LogicalType field = type.getTypeAt(i);
                    // A message without fields is refused where one is required.
                    if (name.contains("two") && type.getFieldNames().get(i).equals("inners")) continue;
                    if (field instanceof ArrayType) row.setField(i, new GenericArrayData(new Object[] {null}));
                    if (field instanceof MapType) row.setField(i, new GenericMapData(java.util.Collections.singletonMap(null, null)));
                    if (type.getFieldNames().get(i).equals("must")) row.setField(i, 1);
                }
                System.out.println(name + "\t" + numbers + "\t" + hex(write.serialize(row)));
            }
        }
    }

    /** Random messages, two that are merged, cut and damaged ones. */
    static List<byte[]> messages(Descriptor descriptor) {
        List<byte[]> messages = new ArrayList<>();
        messages.add(new byte[0]);
        for (int i = 0; i < 14 * scale; i++) {
            messages.add(random(descriptor, i % 7 == 0 ? 90 : 12));
        }
        for (int i = 1; i < 7 * scale; i++) {
            ByteArrayOutputStream both = new ByteArrayOutputStream();
            both.writeBytes(messages.get(i));
            both.writeBytes(messages.get(i + 1));
            messages.add(both.toByteArray());
        }
        for (int i = 0; i < 50 * scale; i++) {
            byte[] damaged = messages.get(1 + RANDOM.nextInt(14 * scale)).clone();
            if (damaged.length == 0) continue;
            if (i % 5 == 0) {
                damaged = java.util.Arrays.copyOf(damaged, RANDOM.nextInt(damaged.length));
            } else {
                damaged[RANDOM.nextInt(damaged.length)] = (byte) RANDOM.nextInt();
            }
            messages.add(damaged);
        }
        return messages;
    }

    static byte[] random(Descriptor descriptor, int percent) {
        return message(descriptor, percent).toByteArray();
    }

    static DynamicMessage message(Descriptor descriptor, int percent) {
        DynamicMessage.Builder builder = DynamicMessage.newBuilder(descriptor);
        for (FieldDescriptor field : descriptor.getFields()) {
            if (!field.isRequired() && RANDOM.nextInt(100) >= percent) continue;
            if (!field.isRepeated()) {
                builder.setField(field, value(field, percent));
                continue;
            }
            int count = field.isMapField() ? 1 : RANDOM.nextInt(4);
            for (int i = 0; i < count; i++) builder.addRepeatedField(field, value(field, percent));
        }
        return builder.build();
    }

    static Object value(FieldDescriptor field, int percent) {
        boolean zero = RANDOM.nextInt(8) == 0;
        switch (field.getJavaType()) {
            case BOOLEAN:
                return !zero && RANDOM.nextBoolean();
            case INT:
                return zero ? 0 : RANDOM.nextInt() >> RANDOM.nextInt(32);
            case LONG:
                return zero ? 0L : RANDOM.nextLong() >> RANDOM.nextInt(64);
            case FLOAT:
                return zero ? -0.0f : (float) RANDOM.nextGaussian();
            case DOUBLE:
                return zero ? -0.0 : RANDOM.nextGaussian();
            case STRING:
                return zero ? "" : "aü😀\u0000xyz".substring(RANDOM.nextInt(2) == 0 ? 0 : 4);
            case BYTE_STRING:
                return com.google.protobuf.ByteString.copyFrom(new byte[] {(byte) RANDOM.nextInt(), 0});
            case ENUM:
                EnumDescriptor type = field.getEnumType();
                return type.getValues().get(RANDOM.nextInt(type.getValues().size()));
            default:
                return message(field.getMessageType(), percent);
        }
    }

    static String hex(byte[] bytes) {
        return HexFormat.of().formatHex(bytes);
    }

    static String text(RowData row, RowType type) {
        List<String> parts = new ArrayList<>();
        for (int i = 0; i < type.getFieldCount(); i++) {
            LogicalType field = type.getTypeAt(i);
            parts.add(text(RowData.createFieldGetter(field, i).getFieldOrNull(row), field));
        }
        return "(" + String.join(",", parts) + ")";
    }

    static List<String> texts(ArrayData array, LogicalType type) {
        List<String> parts = new ArrayList<>();
        for (int i = 0; i < array.size(); i++) {
            parts.add(text(ArrayData.createElementGetter(type).getElementOrNull(array, i), type));
        }
        return parts;
    }

    static String text(Object value, LogicalType type) {
        if (value == null) return "~";
        switch (type.getTypeRoot()) {
            case ROW:
                return text((RowData) value, (RowType) type);
            case ARRAY:
                return "[" + String.join(",", texts((ArrayData) value, ((ArrayType) type).getElementType())) + "]";
            case MAP:
                MapType map = (MapType) type;
                var data = (org.apache.flink.table.data.MapData) value;
                List<String> keys = texts(data.keyArray(), map.getKeyType());
                List<String> values = texts(data.valueArray(), map.getValueType());
                List<String> entries = new ArrayList<>();
                for (int i = 0; i < keys.size(); i++) entries.add(keys.get(i) + "=" + values.get(i));
                java.util.Collections.sort(entries);
                return "{" + String.join(";", entries) + "}";
            case VARCHAR:
                return "'" + hex(value.toString().getBytes(StandardCharsets.UTF_8));
            case VARBINARY:
                return "'" + hex((byte[]) value);
            case FLOAT:
                return "" + Float.floatToRawIntBits((Float) value);
            case DOUBLE:
                return "" + Double.doubleToRawLongBits((Double) value);
            default:
                return value.toString();
        }
    }
}
