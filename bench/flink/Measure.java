import java.util.Set;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.flink.api.connector.sink2.Sink;
import org.apache.flink.api.connector.sink2.SinkWriter;
import org.apache.flink.api.connector.sink2.WriterInitContext;
import org.apache.flink.configuration.ConfigOption;
import org.apache.flink.table.connector.ChangelogMode;
import org.apache.flink.table.connector.sink.DynamicTableSink;
import org.apache.flink.table.connector.sink.SinkV2Provider;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.factories.DynamicTableSinkFactory;

/** `'connector' = 'measure'`: drops every row as `blackhole` does, and counts them. */
public final class Measure implements DynamicTableSinkFactory {
  static final AtomicLong ROWS = new AtomicLong();

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
    return Set.of();
  }

  @Override
  public DynamicTableSink createDynamicTableSink(Context context) {
    return new Table();
  }

  private static final class Table implements DynamicTableSink {
    @Override
    public ChangelogMode getChangelogMode(ChangelogMode requested) {
      return requested;
    }

    @Override
    public SinkRuntimeProvider getSinkRuntimeProvider(DynamicTableSink.Context context) {
      return SinkV2Provider.of(new Nowhere());
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

  private static final class Nowhere implements Sink<RowData> {
    private static final long serialVersionUID = 1;

    @Override
    public SinkWriter<RowData> createWriter(WriterInitContext context) {
      return new Writer();
    }
  }

  private static final class Writer implements SinkWriter<RowData> {
    private long rows;

    @Override
    public void write(RowData row, Context context) {
      rows++;
    }

    @Override
    public void flush(boolean endOfInput) {}

    @Override
    public void close() {
      ROWS.addAndGet(rows);
    }
  }
}
