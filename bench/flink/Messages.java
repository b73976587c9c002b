import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.PrintStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.apache.flink.api.common.serialization.DeserializationSchema;
import org.apache.flink.api.common.serialization.SerializationSchema;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.metrics.MetricGroup;
import org.apache.flink.metrics.groups.UnregisteredMetricsGroup;
import org.apache.flink.table.catalog.CatalogTable;
import org.apache.flink.table.catalog.Column;
import org.apache.flink.table.catalog.ObjectIdentifier;
import org.apache.flink.table.catalog.ResolvedCatalogTable;
import org.apache.flink.table.catalog.ResolvedSchema;
import org.apache.flink.table.api.Schema;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.factories.DeserializationFormatFactory;
import org.apache.flink.table.factories.DynamicTableFactory;
import org.apache.flink.table.factories.FactoryUtil;
import org.apache.flink.table.factories.SerializationFormatFactory;
import org.apache.flink.table.runtime.connector.sink.SinkRuntimeProviderContext;
import org.apache.flink.table.runtime.connector.source.ScanRuntimeProviderContext;
import org.apache.flink.table.types.DataType;
import org.apache.flink.table.types.logical.RowType;
import org.apache.flink.table.types.logical.utils.LogicalTypeParser;
import org.apache.flink.table.types.utils.TypeConversions;
import org.apache.flink.util.Collector;
import org.apache.flink.util.SimpleUserCodeClassLoader;
import org.apache.flink.util.UserCodeClassLoader;

/**
 * Decodes messages and encodes their rows again, without a job, and says what each pass took.
 *
 * <p>Usage: Messages PASSES FORMAT COLUMNS MESSAGES SCHEMAS [KEY=VALUE...] MESSAGES is a file of messages, each behind its
 * length in four bytes; SCHEMAS has the schemas of a registry, one a line, which is served at the option `url`. First come the
 * passes that decode, then those that encode, a line each: seconds, CPU seconds, rows, and behind what encodes the bytes.
 */
public final class Messages {
  private static final PrintStream OUT = System.out;

  public static void main(String[] args) {
    int status = 0;
    try {
      measure(args);
    } catch (Throwable error) {
      error.printStackTrace(System.err);
      status = 1;
    }
    OUT.flush();
    Runtime.getRuntime().halt(status);
  }

  private static void measure(String[] args) throws Exception {
    int passes = Integer.parseInt(args[0]);
    List<byte[]> messages = messages(Path.of(args[3]));
    Configuration options = new Configuration();
    for (String option : Arrays.asList(args).subList(5, args.length)) {
      String[] pair = option.split("=", 2);
      options.setString(pair[0], pair[0].equals("url") ? registry(Path.of(args[4])) : pair[1]);
    }
    ClassLoader loader = Messages.class.getClassLoader();
    DataType type = TypeConversions.fromLogicalToDataType(LogicalTypeParser.parse("ROW<" + args[2] + "> NOT NULL", loader));
    DynamicTableFactory.Context table = table((RowType) type.getLogicalType(), loader);
    DeserializationSchema<RowData> decoder =
        FactoryUtil.discoverFactory(loader, DeserializationFormatFactory.class, args[1])
            .createDecodingFormat(table, options).createRuntimeDecoder(ScanRuntimeProviderContext.INSTANCE, type);
    SerializationSchema<RowData> encoder =
        FactoryUtil.discoverFactory(loader, SerializationFormatFactory.class, args[1])
            .createEncodingFormat(table, options).createRuntimeEncoder(new SinkRuntimeProviderContext(false), type);
    Opening opening = new Opening(loader);
    decoder.open(opening);
    encoder.open(opening);
    for (int pass = 0; pass < passes; pass++) {
      decode(decoder, messages);
    }
    Kept kept = new Kept();
    for (byte[] message : messages) {
      decoder.deserialize(message, kept);
    }
    for (int pass = 0; pass < passes; pass++) {
      encode(encoder, kept.rows);
    }
  }

  private static void decode(DeserializationSchema<RowData> decoder, List<byte[]> messages) throws Exception {
    Counted counted = new Counted();
    long cpu = Jobs.cpuNanos();
    long begin = System.nanoTime();
    for (byte[] message : messages) {
      decoder.deserialize(message, counted);
    }
    long end = System.nanoTime();
    OUT.println((end - begin) / 1e9 + " " + (Jobs.cpuNanos() - cpu) / 1e9 + " " + counted.rows);
  }

  private static void encode(SerializationSchema<RowData> encoder, List<RowData> rows) {
    long bytes = 0;
    long cpu = Jobs.cpuNanos();
    long begin = System.nanoTime();
    for (RowData row : rows) {
      bytes += encoder.serialize(row).length;
    }
    long end = System.nanoTime();
    OUT.println((end - begin) / 1e9 + " " + (Jobs.cpuNanos() - cpu) / 1e9 + " " + rows.size() + " " + bytes);
  }

  private static List<byte[]> messages(Path file) throws IOException {
    List<byte[]> messages = new ArrayList<>();
    ByteBuffer bytes = ByteBuffer.wrap(Files.readAllBytes(file));
    while (bytes.hasRemaining()) {
      byte[] message = new byte[bytes.getInt()];
      bytes.get(message);
      messages.add(message);
    }
    return messages;
  }

  private static DynamicTableFactory.Context table(RowType type, ClassLoader loader) {
    List<Column> columns = new ArrayList<>();
    for (RowType.RowField field : type.getFields()) {
      columns.add(Column.physical(field.getName(), TypeConversions.fromLogicalToDataType(field.getType())));
    }
    ResolvedSchema schema = ResolvedSchema.of(columns);
    CatalogTable table = CatalogTable.newBuilder().schema(Schema.newBuilder().fromResolvedSchema(schema).build())
        .options(Map.of()).build();
    return new FactoryUtil.DefaultDynamicTableContext(ObjectIdentifier.of("catalog", "database", "measured"),
        new ResolvedCatalogTable(table, schema), Map.of(), new Configuration(), loader, false);
  }

  /** A registry on this machine: it knows these schemas by their line, and takes others. */
  private static String registry(Path file) throws IOException {
    List<String> schemas = new ArrayList<>(Files.readAllLines(file));
    HttpServer server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    server.createContext("/", exchange -> {
      String body = new String(exchange.getRequestBody().readAllBytes(), StandardCharsets.UTF_8);
      String path = exchange.getRequestURI().getPath();
      String answer;
      if (exchange.getRequestMethod().equals("POST")) {
        // The schema itself is never asked for again: what is registered here is read nowhere.
        schemas.add(body);
        answer = "{\"id\":" + schemas.size() + "}";
      } else {
        String schema = schemas.get(Integer.parseInt(path.substring(path.lastIndexOf('/') + 1)) - 1);
        answer = "{\"schema\":\"" + schema.replace("\\", "\\\\").replace("\"", "\\\"") + "\"}";
      }
      byte[] bytes = answer.getBytes(StandardCharsets.UTF_8);
      exchange.getResponseHeaders().add("Content-Type", "application/vnd.schemaregistry.v1+json");
      exchange.sendResponseHeaders(200, bytes.length);
      exchange.getResponseBody().write(bytes);
      exchange.close();
    });
    server.start();
    return "http://localhost:" + server.getAddress().getPort();
  }

  private static final class Counted implements Collector<RowData> {
    private long rows;

    @Override
    public void collect(RowData row) {
      rows++;
    }

    @Override
    public void close() {}
  }

  private static final class Kept implements Collector<RowData> {
    private final List<RowData> rows = new ArrayList<>();

    @Override
    public void collect(RowData row) {
      rows.add(row);
    }

    @Override
    public void close() {}
  }

  private static final class Opening
      implements DeserializationSchema.InitializationContext, SerializationSchema.InitializationContext {
    private final ClassLoader loader;

    Opening(ClassLoader loader) {
      this.loader = loader;
    }

    @Override
    public MetricGroup getMetricGroup() {
      return new UnregisteredMetricsGroup();
    }

    @Override
    public UserCodeClassLoader getUserCodeClassLoader() {
      return SimpleUserCodeClassLoader.create(loader);
    }
  }
}
