// Starts Swagger UI on the document that lies beside this page.
const ui = SwaggerUIBundle({
  url: "/schema/openapi.json",
  dom_id: "#documentation",
  deepLinking: true,
  showExtensions: true,
  showCommonExtensions: true,
  presets: [SwaggerUIBundle.presets.apis],
  // It would send the document's address to a validator on the Internet.
  validatorUrl: null,
});
