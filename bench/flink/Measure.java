import java.io.Serializable;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicLongArray;
import org.apache.flink.api.connector.sink2.Sink;
import org.apache.flink.api.connector.sink2.SinkWriter;
import org.apache.flink.api.connector.sink2.WriterInitContext;
import org.apache.flink.configuration.ConfigOption;
import org.apache.flink.configuration.ConfigOptions;
import org.apache.flink.configuration.ReadableConfig;
import org.apache.flink.table.connector.ChangelogMode;
import org.apache.flink.table.connector.sink.DynamicTableSink;
import org.apache.flink.table.connector.sink.SinkV2Provider;
import org.apache.flink.table.data.DecimalData;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.factories.DynamicTableSinkFactory;
import org.apache.flink.table.factories.FactoryUtil;
import org.apache.flink.table.types.DataType;
import org.apache.flink.table.types.logical.DecimalType;
import org.apache.flink.table.types.logical.LogicalType;
import org.apache.flink.table.types.logical.RowType;
import org.apache.flink.table.types.logical.TimestampType;
import org.apache.flink.types.RowKind;

/**
 * `'connector' = 'measure'`: drops every row as `blackhole` does, and counts them.
 *
 * <p>With `'hash' = 'true'` it also says what the table that the rows make hashes to, by the rules of Flott's sink of this name:
 * with a primary key the last row of each key counts, without one every row until it is taken back. With
 * `'latency.column'` it counts how many milliseconds behind the time in that column each row came.
 */
public final class Measure implements DynamicTableSinkFactory {
  static final AtomicLong ROWS = new AtomicLong();
  static final AtomicLong HASH = new AtomicLong();
  /** Rows by milliseconds; the last cell has those that took longer. */
  static final AtomicLongArray LATENCIES = new AtomicLongArray(60_001);
  private static final ConfigOption<Boolean> HASHED = ConfigOptions.key("hash").booleanType().defaultValue(false);
  private static final ConfigOption<String> COLUMN = ConfigOptions.key("latency.column").stringType().noDefaultValue();
  /** Milliseconds behind the time in the column that a row cannot come before. */
  private static final ConfigOption<Long> OWN = ConfigOptions.key("latency.own").longType().defaultValue(0L);
  /** Rows of earlier times do not count; milliseconds since the epoch. */
  private static final ConfigOption<Long> FROM = ConfigOptions.key("latency.from").longType().defaultValue(0L);

  @Override
  public String factoryIdentifier() {
    return "measure";
  }

  @Override
  public Set<ConfigOption<?>> requiredOptions() {
    return Set.of();
  }

  @Override
  public Set<ConfigOption<?>> optionalOptions() {
    return Set.of(HASHED, COLUMN, OWN, FROM);
  }

  @Override
  public DynamicTableSink createDynamicTableSink(Context context) {
    FactoryUtil.TableFactoryHelper helper = FactoryUtil.createTableFactoryHelper(this, context);
    helper.validate();
    ReadableConfig options = helper.getOptions();
    DataType type = context.getPhysicalRowDataType();
    int column = options.getOptional(COLUMN).map(DataType.getFieldNames(type)::indexOf).orElse(-1);
    return new Table(new What(
        (RowType) type.getLogicalType(), options.get(HASHED), context.getPrimaryKeyIndexes(), column,
        options.get(OWN), options.get(FROM)));
  }

  private record What(RowType type, boolean hashed, int[] key, int column, long own, long from) implements Serializable {}

  private record Table(What what) implements DynamicTableSink {
    @Override
    public ChangelogMode getChangelogMode(ChangelogMode requested) {
      if (what.hashed() && what.key().length == 0) {
        return requested;
      }
      ChangelogMode.Builder mode = ChangelogMode.newBuilder();
      requested.getContainedKinds().stream().filter(kind -> kind != RowKind.UPDATE_BEFORE).forEach(mode::addContainedKind);
      return mode.build();
    }

    @Override
    public SinkRuntimeProvider getSinkRuntimeProvider(DynamicTableSink.Context context) {
      return SinkV2Provider.of(new Nowhere(what));
    }

    @Override
    public DynamicTableSink copy() {
      return this;
    }

    @Override
    public String asSummaryString() {
      return "measure";
    }
  }

  private record Nowhere(What what) implements Sink<RowData> {
    private static final long serialVersionUID = 1;

    @Override
    public SinkWriter<RowData> createWriter(WriterInitContext context) {
      return new Writer(what);
    }
  }

  private static final class Writer implements SinkWriter<RowData> {
    private final What what;
    private final List<LogicalType> types;
    private final Map<Long, Long> rowsByKey = new HashMap<>();
    private long rows;
    private long sum;

    Writer(What what) {
      this.what = what;
      this.types = what.type().getChildren();
    }

    @Override
    public void write(RowData row, Context context) {
      rows++;
      if (what.hashed()) {
        hash(row);
      }
      if (what.column() >= 0) {
        delay(row);
      }
    }

    private void delay(RowData row) {
      long time = row.getTimestamp(what.column(), 3).getMillisecond();
      if (time >= what.from()) {
        long millis = Math.max(System.currentTimeMillis() - time - what.own(), 0);
        LATENCIES.incrementAndGet((int) Math.min(millis, LATENCIES.length() - 1));
      }
    }

    private void hash(RowData row) {
      long hash = 0;
      for (int i = 0; i < types.size(); i++) {
        hash = mix(hash ^ value(row, i));
      }
      boolean gone = row.getRowKind() == RowKind.DELETE || row.getRowKind() == RowKind.UPDATE_BEFORE;
      if (what.key().length == 0) {
        sum += gone ? -hash : hash;
        return;
      }
      long key = 0;
      for (int i : what.key()) {
        key = mix(key ^ value(row, i));
      }
      if (gone) {
        rowsByKey.remove(key);
      } else {
        rowsByKey.put(key, hash);
      }
    }

    /** The bits of a number, a time in milliseconds, or of what a text or a decimal hashes to. */
    private long value(RowData row, int i) {
      if (row.isNullAt(i)) {
        return 0x6e756c6cL;
      }
      LogicalType type = types.get(i);
      return switch (type.getTypeRoot()) {
        case BIGINT -> row.getLong(i);
        case INTEGER, DATE -> row.getInt(i);
        case BOOLEAN -> row.getBoolean(i) ? 1 : 0;
        case DOUBLE -> Double.doubleToRawLongBits(row.getDouble(i));
        case TIMESTAMP_WITHOUT_TIME_ZONE ->
            row.getTimestamp(i, ((TimestampType) type).getPrecision()).getMillisecond();
        case DECIMAL -> {
          DecimalType decimal = (DecimalType) type;
          DecimalData number = row.getDecimal(i, decimal.getPrecision(), decimal.getScale());
          yield number.toBigDecimal().unscaledValue().longValue();
        }
        case CHAR, VARCHAR -> {
          // FNV-1a, as its authors give it.
          long text = 0xcbf29ce484222325L;
          for (byte b : row.getString(i).toBytes()) {
            text = (text ^ (b & 0xff)) * 0x100000001b3L;
          }
          yield text;
        }
        default -> throw new IllegalArgumentException("the sink cannot hash " + type);
      };
    }

    private static long mix(long bits) {
      long z = bits + 0x9e3779b97f4a7c15L;
      z = (z ^ (z >>> 30)) * 0xbf58476d1ce4e5b9L;
      z = (z ^ (z >>> 27)) * 0x94d049bb133111ebL;
      return z ^ (z >>> 31);
    }

    @Override
    public void flush(boolean endOfInput) {}

    @Override
    public void close() {
      ROWS.addAndGet(rows);
      rowsByKey.values().forEach(hash -> sum += hash);
      HASH.addAndGet(sum);
    }
  }
}
