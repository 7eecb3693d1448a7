<?php
// GET / lists the posts; POST / writes one; PUT /NAME puts a file among the uploads.
mysqli_report(MYSQLI_REPORT_ERROR | MYSQLI_REPORT_STRICT);
$password = file_get_contents(getenv('DB_PASSWORD_FILE'));
$db = new mysqli(getenv('DB_HOST'), getenv('DB_USER'), $password, getenv('DB_NAME'));
$db->query('create table if not exists posts (id int auto_increment primary key, text varchar(200))');
if ($_SERVER['REQUEST_METHOD'] === 'POST') {
  $db->execute_query('insert into posts (text) values (?)', [$_POST['text']]);
} elseif ($_SERVER['REQUEST_METHOD'] === 'PUT') {
  file_put_contents('/srv/uploads/' . basename($_SERVER['REQUEST_URI']), file_get_contents('php://input'));
}
foreach ($db->query('select id, text from posts order by id') as $post) {
  echo $post['id'], ': ', htmlspecialchars($post['text']), "\n";
}
