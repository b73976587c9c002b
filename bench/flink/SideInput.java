import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.flink.configuration.ConfigOption;
import org.apache.flink.configuration.ConfigOptions;
import org.apache.flink.table.connector.source.DynamicTableSource;
import org.apache.flink.table.connector.source.LookupTableSource;
import org.apache.flink.table.connector.source.lookup.LookupFunctionProvider;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.data.StringData;
import org.apache.flink.table.factories.DynamicTableSourceFactory;
import org.apache.flink.table.factories.FactoryUtil;
import org.apache.flink.table.functions.FunctionContext;
import org.apache.flink.table.functions.LookupFunction;

/**
 * `'connector' = 'side-input'`: a file of lines `key,value`, wholly in memory, to look up in: what Flink's connector of files,
 * which cannot be looked up in, would be at its fastest.
 */
public final class SideInput implements DynamicTableSourceFactory {
  private static final ConfigOption<String> PATH = ConfigOptions.key("path").stringType().noDefaultValue();

  @Override
  public String factoryIdentifier() {
    return "side-input";
  }

  @Override
  public Set<ConfigOption<?>> requiredOptions() {
    return Set.of(PATH);
  }

  @Override
  public Set<ConfigOption<?>> optionalOptions() {
    return Set.of();
  }

  @Override
  public DynamicTableSource createDynamicTableSource(Context context) {
    FactoryUtil.TableFactoryHelper helper = FactoryUtil.createTableFactoryHelper(this, context);
    helper.validate();
    return new Table(helper.getOptions().get(PATH));
  }

  private record Table(String path) implements LookupTableSource {
    @Override
    public LookupRuntimeProvider getLookupRuntimeProvider(LookupContext context) {
      return LookupFunctionProvider.of(new Lines(path));
    }

    @Override
    public DynamicTableSource copy() {
      return this;
    }

    @Override
    public String asSummaryString() {
      return "side-input";
    }
  }

  /** The one function of the table, by its first column. */
  public static final class Lines extends LookupFunction {
    private static final long serialVersionUID = 1;
    private final String path;
    private transient Map<Long, List<RowData>> rows;

    Lines(String path) {
      this.path = path;
    }

    @Override
    public void open(FunctionContext context) throws Exception {
      rows = new HashMap<>();
      for (String line : Files.readAllLines(Path.of(path))) {
        int comma = line.indexOf(',');
        long key = Long.parseLong(line.substring(0, comma));
        byte[] value = line.substring(comma + 1).getBytes(StandardCharsets.UTF_8);
        rows.put(key, List.of(GenericRowData.of(key, StringData.fromBytes(value))));
      }
    }

    @Override
    public Collection<RowData> lookup(RowData key) {
      return rows.getOrDefault(key.getLong(0), List.of());
    }
  }
}
